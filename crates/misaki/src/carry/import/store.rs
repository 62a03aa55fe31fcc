use chrono::{DateTime, Duration, Utc};
use identity::TenantId;
use sqlx::{PgConnection, types::Json};

use super::{ImportError, ImportId, ImportState, ImportView};

/// How long it is told what became of a file.
const TOLD: Duration = Duration::days(7);

/// Writes down a file, and forgets what became of old ones.
pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    view: &ImportView,
    file: Option<&[u8]>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with old as (delete from misaki.import where tenant_id = $2 and created_at < $9 and state <> 'waiting')
         insert into misaki.import (id, tenant_id, file, state, chats, messages, left_out, errors, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $10)",
        view.id as ImportId,
        tenant as TenantId,
        file,
        view.state as ImportState,
        view.chats,
        view.messages,
        view.left_out,
        Json(&view.errors) as _,
        now - TOLD,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: ImportId,
) -> sqlx::Result<Option<ImportView>> {
    let row = sqlx::query!(
        r#"select state as "state: ImportState", chats, messages, left_out, errors as "errors: Json<Vec<ImportError>>"
           from misaki.import where id = $1"#,
        id as ImportId
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| ImportView {
        id,
        state: row.state,
        chats: row.chats,
        messages: row.messages,
        left_out: row.left_out,
        errors: row.errors.0,
    }))
}

/// The file that waits.
pub(super) async fn file(conn: &mut PgConnection, id: ImportId) -> sqlx::Result<Option<Vec<u8>>> {
    let file = sqlx::query_scalar!(
        "select file from misaki.import where id = $1",
        id as ImportId
    )
    .fetch_optional(conn)
    .await?;
    Ok(file.flatten())
}

pub(super) async fn end(conn: &mut PgConnection, view: &ImportView) -> sqlx::Result<()> {
    sqlx::query!(
        "update misaki.import set file = null, state = $2, chats = $3, messages = $4, left_out = $5, errors = $6
         where id = $1 and state = 'waiting'",
        view.id as ImportId,
        view.state as ImportState,
        view.chats,
        view.messages,
        view.left_out,
        Json(&view.errors) as _,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Removes what came in of a tenant that goes.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.import where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}
