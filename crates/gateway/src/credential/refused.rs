use std::time::Duration;

use super::{begin, store};
use crate::{Error, Gateway, key::ApiKey};

/// A provider refused a key with `status`, and may have asked for a while without it.
pub(crate) fn refused(room: &Gateway, key: &ApiKey, status: u16, asked: Option<Duration>) {
    let anew = key.health.refused(status, asked);
    let Some(id) = key.id.filter(|_| anew) else {
        return;
    };
    metrics::counter!("gateway_credentials_refused_total").increment(1);
    tracing::warn!(credential = %id, status, "a provider refused a key: it rests");
    let room = room.clone();
    let tasks = room.node.tasks.clone();
    tasks.spawn(async move {
        let written = async {
            let mut tx = begin(&room.cx).await?;
            let status = i16::try_from(status).unwrap_or_default();
            store::refused(&mut tx, id, status, room.cx.clock.now()).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "a refusal can't be written down");
        }
    });
}
