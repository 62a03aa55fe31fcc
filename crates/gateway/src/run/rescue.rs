use db::Scope;

use super::{
    end::{end, lost},
    remote, store,
};
use crate::{Error, Gateway};

/// Ends the runs whose node has been silent for longer than its lease, at most `most` of them; returns how many it did.
/// Jobs at providers that such a run left behind are cancelled.
/// Every node does this all the time; each run is ended by one of them, with the reason `node_lost` and its units back.
///
/// # Errors
/// When the database is away.
pub async fn rescue(room: &Gateway, most: i64) -> Result<usize, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("rescue of runs")).await?;
    let orphans = store::orphans(&mut tx, cx.clock.now(), most).await?;
    tx.commit().await?;
    let mut rescued = 0;
    for orphan in orphans {
        let mut tx = cx
            .db
            .begin(Scope::Tenant {
                tenant: orphan.tenant.0,
                user: None,
            })
            .await?;
        let mut ended = None;
        // asked again under the row's lock: its node may have come back and renewed the lease, or ended it
        if let Some(last_event) = store::lock_orphan(&mut tx, orphan.id, cx.clock.now()).await? {
            let mut ending = lost(orphan.id, orphan.tenant, last_event, &orphan.model);
            let output = store::durable_output(&mut tx, orphan.id).await?;
            ending.output = output;
            ended = end(&mut tx, room, orphan.reservation, &ending).await?;
            rescued += 1;
        }
        tx.commit().await?;
        if let Some(ended) = ended {
            ended.done();
        }
    }
    remote::end_leftovers(room, most).await?;
    if rescued > 0 {
        tracing::warn!(rescued, "runs of a lost node were ended");
        metrics::counter!("gateway_runs_rescued_total")
            .increment(u64::try_from(rescued).unwrap_or_default());
    }
    Ok(rescued)
}
