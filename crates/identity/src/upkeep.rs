use db::Scope;

use crate::{Error, Identity, ceremony, link, oauth, revocation, throttle};

/// Forgets what has had its time: windows of tries, challenges nobody came back for, old links and codes, revocations that nothing
/// alive can refer to. Every node may do this at any time.
pub async fn tidy_up(room: &Identity, most: i64) -> Result<(), Error> {
    let cx = &room.cx;
    throttle::clear(cx, most).await?;
    revocation::clear(cx, most).await?;
    let mut tx = cx
        .db
        .begin(Scope::House("old challenges and links"))
        .await?;
    ceremony::clear(&mut tx, cx, most).await?;
    link::clear(&mut tx, cx, most).await?;
    oauth::clear(&mut tx, cx, most).await?;
    tx.commit().await?;
    Ok(())
}
