use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::family::{Family, Found, IDLE, LONGEST, Standing};
use crate::{
    FamilyId, RequestMeta, Role, SessionId, TenantId, UserId,
    session::{Kind, View},
};

/// Lets one transaction at a time make or retire keys.
pub(super) async fn lock_keys(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended('identity.issuer_key', 0))::text as "locked""#
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_key(
    conn: &mut PgConnection,
    kid: &str,
    secret: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.issuer_key (kid, secret, created_at) values ($1, $2, $3)",
        kid,
        secret,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The keys that are not retired, the newest first.
pub(super) async fn keys(conn: &mut PgConnection) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar!(
        "select secret from identity.issuer_key where retired_at is null order by created_at desc, kid"
    )
    .fetch_all(conn)
    .await
}

/// Retires all keys but the newest two.
pub(super) async fn retire_keys(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.issuer_key set retired_at = $1
         where retired_at is null and kid not in
             (select kid from identity.issuer_key where retired_at is null order by created_at desc, kid limit 2)",
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// What a user is in a tenant; none when they are no member, or one of the two is gone.
pub(super) async fn standing(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<Standing>> {
    sqlx::query!(
        "select m.role, u.operator
         from identity.membership m
         join identity.app_user u on u.id = m.user_id and u.deleted_at is null
         join identity.tenant t on t.id = m.tenant_id and t.deleted_at is null
         where m.tenant_id = $1 and m.user_id = $2",
        tenant as TenantId,
        user as UserId,
    )
    .map(|row| Standing {
        role: Role::from_stored(&row.role),
        operator: row.operator,
    })
    .fetch_optional(conn)
    .await
}

/// Whether a family was neither ended nor has run out.
pub(super) async fn is_live(
    conn: &mut PgConnection,
    family: FamilyId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.refresh_family
               where id = $1 and revoked_at is null and expires_at > $2) as "live!""#,
        family as FamilyId,
        now,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert_family(
    conn: &mut PgConnection,
    family: &Family,
    meta: &RequestMeta,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.refresh_family
             (id, tenant_id, user_id, client_id, scopes, proofs, proven_at, user_agent, network, created_at, expires_at, last_used_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)",
        family.id as FamilyId,
        family.tenant as TenantId,
        family.user as UserId,
        family.client,
        &family.scopes,
        &family.proofs,
        family.proven_at,
        meta.user_agent,
        meta.network(),
        now,
        now + LONGEST,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_token(
    conn: &mut PgConnection,
    family: FamilyId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.refresh_token (hash, family_id, created_at) values ($1, $2, $3)",
        hash,
        family as FamilyId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A live refresh token's family, locked until the transaction ends, so that uses of one family go one after the other.
pub(super) async fn lock_by_token(
    conn: &mut PgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Found>> {
    let locked = sqlx::query!(
        r#"select f.id as "id: FamilyId" from identity.refresh_family f
           where f.id = (select family_id from identity.refresh_token where hash = $1)
           for update"#,
        hash,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if locked.is_none() {
        return Ok(None);
    }
    // a statement of its own, which sees what the one that held the lock before has written
    sqlx::query!(
        r#"select f.id as "id: FamilyId", f.tenant_id as "tenant: TenantId", f.user_id as "user: UserId", f.client_id, f.scopes,
               f.proofs, f.proven_at, f.user_agent, f.network, t.used_at,
               exists (select from identity.refresh_token later
                   where later.family_id = f.id and later.created_at >= t.used_at and later.used_at is not null
                       and later.hash <> t.hash) as "went_on!"
           from identity.refresh_token t join identity.refresh_family f on f.id = t.family_id
           where t.hash = $1 and f.revoked_at is null and f.expires_at > $2 and f.last_used_at > $3"#,
        hash,
        now,
        now - IDLE,
    )
    .map(|row| Found {
        family: Family {
            id: row.id,
            tenant: row.tenant,
            user: row.user,
            client: row.client_id,
            scopes: row.scopes,
            proofs: row.proofs,
            proven_at: row.proven_at,
        },
        user_agent: row.user_agent,
        network: row.network,
        used_at: row.used_at,
        went_on: row.went_on,
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn use_token(
    conn: &mut PgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.refresh_token set used_at = $2 where hash = $1 and used_at is null",
        hash,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn touch_family(
    conn: &mut PgConnection,
    id: FamilyId,
    meta: &RequestMeta,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.refresh_family set last_used_at = $2, user_agent = $3, network = $4 where id = $1",
        id as FamilyId,
        now,
        meta.user_agent,
        meta.network(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The client that a refresh token's family belongs to; none for an unknown token.
pub(super) async fn family_of_token(
    conn: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<FamilyId>> {
    sqlx::query_scalar!(
        r#"select family_id as "family: FamilyId" from identity.refresh_token where hash = $1"#,
        hash,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn find_family(
    conn: &mut PgConnection,
    id: FamilyId,
) -> sqlx::Result<Option<Family>> {
    sqlx::query_as!(
        Family,
        r#"select id as "id: FamilyId", tenant_id as "tenant: TenantId", user_id as "user: UserId", client_id as client, scopes,
               proofs, proven_at
           from identity.refresh_family where id = $1"#,
        id as FamilyId,
    )
    .fetch_optional(conn)
    .await
}

/// Ends one family; says whether it went on until now.
pub(super) async fn end(
    conn: &mut PgConnection,
    id: FamilyId,
    user: Option<UserId>,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.refresh_family set revoked_at = $4, revoked_why = $3
         where id = $1 and ($2::uuid is null or user_id = $2) and revoked_at is null",
        id as FamilyId,
        user as Option<UserId>,
        why,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn end_all(
    conn: &mut PgConnection,
    user: UserId,
    except: Option<FamilyId>,
    tenant: Option<TenantId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.refresh_family set revoked_at = $4, revoked_why = 'ended'
         where user_id = $1 and revoked_at is null and ($2::uuid is null or id <> $2) and ($3::uuid is null or tenant_id = $3)
         returning id",
        user as UserId,
        except as Option<FamilyId>,
        tenant as Option<TenantId>,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn end_of_client(
    conn: &mut PgConnection,
    client: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update identity.refresh_family set revoked_at = $2, revoked_why = 'the client is disabled'
         where client_id = $1 and revoked_at is null
         returning id",
        client,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<View>> {
    sqlx::query!(
        r#"select f.id as "id: SessionId", coalesce(c.name, f.user_agent) as "user_agent!", f.network, f.created_at, f.last_used_at
           from identity.refresh_family f left join identity.oauth_client c on c.id = f.client_id
           where f.user_id = $1 and f.revoked_at is null and f.expires_at > $2 and f.last_used_at > $3
           order by f.last_used_at desc
           limit 200"#,
        user as UserId,
        now,
        now - IDLE,
    )
    .map(|row| View {
        id: row.id,
        current: false,
        kind: Kind::Api,
        user_agent: row.user_agent,
        network: row.network,
        created_at: row.created_at,
        last_seen_at: Some(row.last_used_at),
    })
    .fetch_all(conn)
    .await
}
