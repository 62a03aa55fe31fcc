mod store;

use db::Ctx;
use kernel::Lang;
use sqlx::PgConnection;

use crate::{Template, template};

kernel::id!(
    /// A letter; with the sender's domain also its Message-ID.
    LetterId, "ltr"
);

/// A letter to post.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// What the letter is about, 1 to 200 characters without an address in it: the same key twice is one letter, for ever.
    pub key: &'a str,
    pub to: &'a str,
    pub lang: Lang,
    pub template: Template,
    /// What [`Template`] says that the letter needs.
    pub data: serde_json::Value,
}

/// Posts a letter in the caller's transaction, be it a tenant's or the house's: it goes out when that commits, and never
/// when it does not. A letter whose key was posted before is not posted again.
///
/// # Errors
/// The database's own, and `Encode` when the data lacks what the template needs.
pub async fn post(conn: &mut PgConnection, cx: &Ctx, letter: Letter<'_>) -> sqlx::Result<()> {
    // told here, where the mistake is, and not when the letter is due
    template::check(letter.template, &letter.data)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let id: LetterId = cx.ids.new_id();
    store::insert(conn, id, &letter, cx.clock.now()).await
}
