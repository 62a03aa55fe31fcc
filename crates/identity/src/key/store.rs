use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Facts, Key, KeyStatus, KeyTerms};
use crate::{KeyId, Permission, Principal, TenantId, UserId};

/// Writes a key. What a key makes belongs to whoever made that key, and ends with their membership.
pub(super) async fn insert(
    conn: &mut PgConnection,
    id: KeyId,
    by: Principal,
    terms: &KeyTerms,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (scopes, ranges) = (scope_words(&terms.scopes), range_words(terms));
    sqlx::query!(
        "insert into identity.api_key
             (id, tenant_id, created_by, name, storefront, scopes, models, ip_ranges, daily_cap, expires_at, created_at,
              daily_cost_nano_usd)
         values ($1, $2, coalesce($3, (select k.created_by from identity.api_key k where k.id = $13)), $4, $5, $6, $7, $8, $9, $10,
                 $11, $12)",
        id as KeyId,
        by.tenant as TenantId,
        by.user as Option<UserId>,
        terms.name,
        terms.storefront,
        &scopes,
        terms.models.as_deref(),
        ranges.as_deref(),
        terms.daily_cap,
        terms.expires_at,
        now,
        terms.daily_cost_nano_usd,
        by.key as Option<KeyId>,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_secret(
    conn: &mut PgConnection,
    key: KeyId,
    tenant: TenantId,
    hash: &[u8],
    hint: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.api_key_secret (hash, key_id, tenant_id, hint, created_at) values ($1, $2, $3, $4, $5)",
        hash,
        key as KeyId,
        tenant as TenantId,
        hint,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

struct FactsRow {
    id: KeyId,
    tenant: TenantId,
    storefront: String,
    scopes: Vec<String>,
    models: Option<Vec<String>>,
    ip_ranges: Option<Vec<String>>,
    daily_cap: Option<i64>,
    daily_cost_nano_usd: Option<i64>,
    made_by: Option<UserId>,
    expires_at: Option<DateTime<Utc>>,
}

impl FactsRow {
    fn read(self) -> Facts {
        Facts {
            id: self.id,
            tenant: self.tenant,
            storefront: self.storefront,
            scopes: permissions(&self.scopes),
            models: self.models,
            ip_ranges: self.ip_ranges.map(|ranges| networks(&ranges)),
            daily_cap: self.daily_cap,
            daily_cost_nano_usd: self.daily_cost_nano_usd,
            made_by: self.made_by,
            expires_at: self.expires_at,
        }
    }
}

pub(super) async fn find_by_secret(
    conn: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<Facts>> {
    Ok(sqlx::query_as!(
        FactsRow,
        r#"select k.id as "id: KeyId", k.tenant_id as "tenant: TenantId", k.storefront, k.scopes, k.models, k.ip_ranges,
               k.daily_cap, k.daily_cost_nano_usd, k.created_by as "made_by: UserId", least(k.expires_at, s.expires_at) as expires_at
           from identity.api_key_secret s
           join identity.api_key k on k.id = s.key_id
           join identity.tenant t on t.id = k.tenant_id
           where s.hash = $1 and k.revoked_at is null and t.deleted_at is null"#,
        hash,
    )
    .fetch_optional(conn)
    .await?
    .map(FactsRow::read))
}

pub(super) async fn facts(
    conn: &mut PgConnection,
    id: KeyId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Facts>> {
    Ok(sqlx::query_as!(
        FactsRow,
        r#"select k.id as "id: KeyId", k.tenant_id as "tenant: TenantId", k.storefront, k.scopes, k.models, k.ip_ranges,
               k.daily_cap, k.daily_cost_nano_usd, k.created_by as "made_by: UserId", k.expires_at
           from identity.api_key k join identity.tenant t on t.id = k.tenant_id
           where k.id = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2) and t.deleted_at is null"#,
        id as KeyId,
        now,
    )
    .fetch_optional(conn)
    .await?
    .map(FactsRow::read))
}

pub(super) async fn is_live(
    conn: &mut PgConnection,
    id: KeyId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.api_key
               where id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)) as "live!""#,
        id as KeyId,
        now,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn count_live(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.api_key where tenant_id = $1 and revoked_at is null"#,
        tenant as TenantId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: KeyId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Key>> {
    let keys = select(conn, tenant, Some(id), now).await?;
    Ok(keys.into_iter().next())
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Key>> {
    select(conn, tenant, None, now).await
}

async fn select(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: Option<KeyId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Key>> {
    sqlx::query!(
        r#"select k.id as "id: KeyId", k.name, k.storefront, k.scopes, k.models, k.ip_ranges, k.daily_cap, k.daily_cost_nano_usd, k.expires_at,
               k.created_at, k.last_used_at, k.revoked_at,
               (select hint from identity.api_key_secret s where s.key_id = k.id order by s.created_at desc limit 1) as "hint!",
               (select max(expires_at) from identity.api_key_secret s where s.key_id = k.id and s.expires_at > $3) as grace_until
           from identity.api_key k
           where k.tenant_id = $1 and ($2::uuid is null or k.id = $2)
           order by (k.revoked_at is not null or coalesce(k.expires_at <= $3, false)), k.created_at desc
           limit 300"#,
        tenant as TenantId,
        id as Option<KeyId>,
        now,
    )
    .map(|row| Key {
        id: row.id,
        name: row.name,
        hint: row.hint,
        storefront: row.storefront,
        scopes: row.scopes,
        models: row.models,
        ip_ranges: row.ip_ranges,
        daily_cap: row.daily_cap,
        daily_cost_nano_usd: row.daily_cost_nano_usd,
        expires_at: row.expires_at,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        grace_until: row.grace_until,
        status: match (row.revoked_at, row.expires_at) {
            (Some(_), _) => KeyStatus::Revoked,
            (None, Some(expires_at)) if expires_at <= now => KeyStatus::Expired,
            _ => KeyStatus::Active,
        },
    })
    .fetch_all(conn)
    .await
}

/// The terms of a live key of the tenant, locked until the transaction ends.
pub(super) async fn lock_terms(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: KeyId,
) -> sqlx::Result<Option<KeyTerms>> {
    sqlx::query!(
        "select name, storefront, scopes, models, ip_ranges, daily_cap, daily_cost_nano_usd, expires_at from identity.api_key
         where id = $1 and tenant_id = $2 and revoked_at is null for update",
        id as KeyId,
        tenant as TenantId,
    )
    .map(|row| KeyTerms {
        name: row.name,
        storefront: row.storefront,
        scopes: permissions(&row.scopes),
        models: row.models,
        ip_ranges: row.ip_ranges.map(|ranges| networks(&ranges)),
        daily_cap: row.daily_cap,
        daily_cost_nano_usd: row.daily_cost_nano_usd,
        expires_at: row.expires_at,
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn update(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: KeyId,
    terms: &KeyTerms,
) -> sqlx::Result<()> {
    let (scopes, ranges) = (scope_words(&terms.scopes), range_words(terms));
    sqlx::query!(
        "update identity.api_key set name = $3, scopes = $4, models = $5, ip_ranges = $6, daily_cap = $7, expires_at = $8,
             daily_cost_nano_usd = $9
         where id = $1 and tenant_id = $2",
        id as KeyId,
        tenant as TenantId,
        terms.name,
        &scopes,
        terms.models.as_deref(),
        ranges.as_deref(),
        terms.daily_cap,
        terms.expires_at,
        terms.daily_cost_nano_usd,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The newest secret goes on until `until`, those that already had an end stop now.
pub(super) async fn retire_secrets(
    conn: &mut PgConnection,
    key: KeyId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.api_key_secret set expires_at = case when expires_at is null then $3 else least(expires_at, $2) end
         where key_id = $1",
        key as KeyId,
        now,
        until,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn revoke(
    conn: &mut PgConnection,
    id: KeyId,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.api_key set revoked_at = $2, revoked_why = $3 where id = $1 and revoked_at is null",
        id as KeyId,
        now,
        why,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn revoke_made_by(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.api_key set revoked_at = $3, revoked_why = $4
         where tenant_id = $1 and created_by = $2 and revoked_at is null returning id",
        tenant as TenantId,
        user as UserId,
        now,
        why,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revoke_all(
    conn: &mut PgConnection,
    tenant: TenantId,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.api_key set revoked_at = $2, revoked_why = $3
         where tenant_id = $1 and revoked_at is null returning id",
        tenant as TenantId,
        now,
        why,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn note_use(
    conn: &mut PgConnection,
    ids: Vec<Uuid>,
    times: Vec<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.api_key k set last_used_at = greatest(k.last_used_at, used.at)
         from unnest($1::uuid[], $2::timestamptz[]) as used (id, at)
         where k.id = used.id",
        &ids,
        &times,
    )
    .execute(conn)
    .await
    .map(drop)
}

fn scope_words(scopes: &[Permission]) -> Vec<String> {
    scopes
        .iter()
        .map(|scope| scope.as_str().to_owned())
        .collect()
}

/// Words that mean nothing any more allow nothing.
fn permissions(words: &[String]) -> Vec<Permission> {
    words
        .iter()
        .filter_map(|word| Permission::from_scope(word))
        .collect()
}

fn range_words(terms: &KeyTerms) -> Option<Vec<String>> {
    let ranges = terms.ip_ranges.as_ref()?;
    Some(ranges.iter().map(ToString::to_string).collect())
}

/// A range that can't be read is left out, so that the list stays as narrow as it was.
fn networks(words: &[String]) -> Vec<IpNet> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}
