use chrono::{DateTime, Utc};
use kernel::PageRequest;
use sqlx::PgConnection;

use super::{Kind, TenantRow, TenantView};
use crate::{Role, TenantId, UserId};

/// Says whether it was made: a family's code may be taken.
pub(super) async fn insert(
    conn: &mut PgConnection,
    id: TenantId,
    kind: &str,
    name: &str,
    code: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert into identity.tenant (id, kind, name, code, created_at) values ($1, $2, $3, $4, $5)
         on conflict on constraint tenant_code_key do nothing",
        id as TenantId,
        kind,
        name,
        code,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Says whether the seat was free.
pub(super) async fn insert_member(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    role: Role,
    guardian_seat: Option<i16>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert into identity.membership (tenant_id, user_id, role, guardian_seat, created_at) values ($1, $2, $3, $4, $5)
         on conflict on constraint membership_seat_key do nothing",
        tenant as TenantId,
        user as UserId,
        role.as_str(),
        guardian_seat,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Not as strong as `for update`, so that rows which refer to the tenant can be written meanwhile.
pub(super) async fn lock(conn: &mut PgConnection, id: TenantId) -> sqlx::Result<Option<Kind>> {
    sqlx::query_scalar!(
        "select kind from identity.tenant where id = $1 and deleted_at is null for no key update",
        id as TenantId
    )
    .fetch_optional(conn)
    .await
    .map(|kind| kind.as_deref().map(Kind::from_stored))
}

pub(super) async fn lock_user(conn: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "select id from identity.app_user where id = $1 for no key update",
        id as UserId
    )
    .fetch_optional(conn)
    .await
    .map(drop)
}

pub(super) async fn count_of(conn: &mut PgConnection, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity.membership m
           join identity.tenant t on t.id = m.tenant_id and t.deleted_at is null
           where m.user_id = $1"#,
        user as UserId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn role_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<Role>> {
    sqlx::query_scalar!(
        "select m.role from identity.membership m
         join identity.tenant t on t.id = m.tenant_id and t.deleted_at is null
         where m.tenant_id = $1 and m.user_id = $2",
        tenant as TenantId,
        user as UserId,
    )
    .fetch_optional(conn)
    .await
    .map(|role| role.as_deref().map(Role::from_stored))
}

pub(super) async fn rename(conn: &mut PgConnection, id: TenantId, name: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.tenant set name = $2 where id = $1",
        id as TenantId,
        name
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn last_used(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<TenantId>> {
    sqlx::query_scalar!(
        r#"select m.tenant_id as "tenant: TenantId"
           from identity.membership m
           join identity.tenant t on t.id = m.tenant_id and t.deleted_at is null
           where m.user_id = $1
           order by (select max(s.created_at) from identity.session s where s.user_id = $1 and s.tenant_id = m.tenant_id)
               desc nulls last, (t.kind = 'person') desc, m.created_at
           limit 1"#,
        user as UserId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn all_of(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<TenantView>> {
    sqlx::query!(
        r#"select t.id as "id: TenantId", t.kind, t.name, m.role
           from identity.membership m join identity.tenant t on t.id = m.tenant_id and t.deleted_at is null
           where m.user_id = $1
           order by (t.kind = 'person') desc, m.created_at"#,
        user as UserId,
    )
    .map(|row| TenantView {
        id: row.id,
        kind: row.kind,
        name: row.name,
        role: Role::from_stored(&row.role),
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: Option<UserId>,
) -> sqlx::Result<Option<TenantView>> {
    sqlx::query!(
        r#"select t.id as "id: TenantId", t.kind, t.name, m.role as "role?"
           from identity.tenant t left join identity.membership m on m.tenant_id = t.id and m.user_id = $2
           where t.id = $1"#,
        tenant as TenantId,
        user as Option<UserId>,
    )
    .map(|row| TenantView {
        id: row.id,
        kind: row.kind,
        name: row.name,
        role: row.role.as_deref().map_or(Role::Guest, Role::from_stored),
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn zone(conn: &mut PgConnection, id: TenantId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select zone from identity.tenant where id = $1",
        id as TenantId
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn exists(conn: &mut PgConnection, id: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.tenant where id = $1) as "exists!""#,
        id as TenantId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn search(
    conn: &mut PgConnection,
    text: Option<&str>,
    id: Option<TenantId>,
    page: &PageRequest,
) -> sqlx::Result<Vec<TenantRow>> {
    sqlx::query_as!(
        TenantRow,
        r#"select t.id as "id: TenantId", t.kind, t.name, t.created_at,
                  (select u.email from identity.membership m join identity.app_user u on u.id = m.user_id
                   where m.tenant_id = t.id and u.email is not null and m.role in ('owner', 'guardian')
                   order by m.created_at limit 1) as email
           from identity.tenant t
           where t.deleted_at is null
             and ($1::text is null or t.id = $2 or position($1 in lower(t.name)) > 0
                  or exists (select from identity.membership m join identity.app_user u on u.id = m.user_id
                             where m.tenant_id = t.id and u.email = $1))
             and ($3::timestamptz is null or (t.created_at, t.id) < ($3, $4))
           order by t.created_at desc, t.id desc limit $5"#,
        text,
        id as Option<TenantId>,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn names(
    conn: &mut PgConnection,
    tenants: &[uuid::Uuid],
) -> sqlx::Result<Vec<(TenantId, String)>> {
    sqlx::query!(
        r#"select id as "id: TenantId", name from identity.tenant where id = any($1)"#,
        tenants,
    )
    .map(|row| (row.id, row.name))
    .fetch_all(conn)
    .await
}
