use identity::TenantId;
use sqlx::PgConnection;

use super::Accounts;

/// Takes the lock of this tenant and unit until the transaction ends. The key is a hash, so two may share a lock, which
/// costs a wait and nothing else.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("ledger:{tenant}:{unit}")
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The accounts, if there ever was a grant.
pub(crate) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Option<Accounts>> {
    sqlx::query!(
        r#"select (array_agg(id) filter (where kind = 'issued'))[1] as "issued!",
                  (array_agg(id) filter (where kind = 'available'))[1] as "available!",
                  (array_agg(id) filter (where kind = 'held'))[1] as "held!",
                  (array_agg(id) filter (where kind = 'spent'))[1] as "spent!",
                  (array_agg(id) filter (where kind = 'expired'))[1] as "expired!"
           from ledger.account where tenant_id = $1 and unit = $2
           having count(*) = 5"#,
        tenant as TenantId,
        unit,
    )
    .map(|row| Accounts {
        issued: row.issued,
        available: row.available,
        held: row.held,
        spent: row.spent,
        expired: row.expired,
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    accounts: &Accounts,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ledger.account (id, tenant_id, unit, kind)
         select id, $2, $3, kind
         from unnest($1::uuid[], array['issued', 'available', 'held', 'spent', 'expired']) as made (id, kind)",
        &[accounts.issued, accounts.available, accounts.held, accounts.spent, accounts.expired],
        tenant as TenantId,
        unit,
    )
    .execute(conn)
    .await
    .map(drop)
}
