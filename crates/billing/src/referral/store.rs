use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use entitlement::Programme;

use super::{Code, Mark, Pending, ReferralId, ReferralView, State};
use crate::PaymentId;

/// The most invitations that are shown.
const SHOWN: i64 = 100;

pub(super) async fn codes(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Code>> {
    sqlx::query_as!(
        Code,
        r#"select id, tenant_id as "tenant: TenantId", programme, code as letters, accepted, most
           from billing.referral_code where tenant_id = $1"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn code_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    programme: &str,
) -> sqlx::Result<Option<Code>> {
    sqlx::query_as!(
        Code,
        r#"select id, tenant_id as "tenant: TenantId", programme, code as letters, accepted, most
           from billing.referral_code where tenant_id = $1 and programme = $2"#,
        tenant as TenantId,
        programme,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn code(conn: &mut PgConnection, code: &str) -> sqlx::Result<Option<Code>> {
    sqlx::query_as!(
        Code,
        r#"select id, tenant_id as "tenant: TenantId", programme, code as letters, accepted, most
           from billing.referral_code where code = $1"#,
        code,
    )
    .fetch_optional(conn)
    .await
}

/// False when the tenant has one, or somebody else has this one.
pub(super) async fn insert_code(
    conn: &mut PgConnection,
    new: &Code,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into billing.referral_code (id, tenant_id, programme, code, most, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        new.id,
        new.tenant as TenantId,
        new.programme,
        new.letters,
        new.most,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Counts one more; the constraint refuses the one too many.
pub(super) async fn count(conn: &mut PgConnection, code: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.referral_code set accepted = accepted + 1 where id = $1",
        code
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn has_paid(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from billing.payment where tenant_id = $1 and amount > 0) as "paid!""#,
        tenant as TenantId,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &Pending,
    code: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.referral (id, code_id, programme, referrer_id, tenant_id, terms, accepted_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.id as ReferralId,
        code,
        new.programme.id,
        new.referrer as TenantId,
        new.tenant as TenantId,
        Json(&new.programme) as Json<&Programme>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn insert_marks(
    conn: &mut PgConnection,
    of: &Pending,
    marks: &[Mark],
) -> sqlx::Result<()> {
    let kinds: Vec<String> = marks.iter().map(|mark| mark.kind.to_owned()).collect();
    let digests: Vec<Vec<u8>> = marks.iter().map(|mark| mark.digest.clone()).collect();
    sqlx::query!(
        "insert into billing.referral_mark (programme, kind, mark, referral_id)
         select $1, kind, mark, $2 from unnest($3::text[], $4::bytea[]) as u (kind, mark)",
        of.programme.id,
        of.id as ReferralId,
        &kinds,
        &digests,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// False when a card was invited before, with another invitation.
pub(super) async fn insert_cards(
    conn: &mut PgConnection,
    of: &Pending,
    cards: &[Mark],
) -> sqlx::Result<bool> {
    let digests: Vec<Vec<u8>> = cards.iter().map(|mark| mark.digest.clone()).collect();
    let done = sqlx::query!(
        "insert into billing.referral_mark (programme, kind, mark, referral_id)
         select $1, 'card', mark, $2 from unnest($3::bytea[]) as u (mark)
         on conflict on constraint referral_mark_once do nothing",
        of.programme.id,
        of.id as ReferralId,
        &digests,
    )
    .execute(conn)
    .await?;
    Ok(usize::try_from(done.rows_affected()).is_ok_and(|new| new == cards.len()))
}

pub(super) async fn pending(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Option<Pending>> {
    sqlx::query!(
        r#"select id as "id: ReferralId", referrer_id as "referrer: TenantId", tenant_id as "tenant: TenantId",
                  terms as "terms: Json<Programme>"
           from billing.referral where tenant_id = $1 and state = 'pending' order by accepted_at, id limit 1"#,
        tenant as TenantId,
    )
    .map(|row| Pending {
        id: row.id,
        referrer: row.referrer,
        tenant: row.tenant,
        programme: row.terms.0,
    })
    .fetch_optional(conn)
    .await
}

/// False when it is closed already.
pub(super) async fn fulfil(
    conn: &mut PgConnection,
    id: ReferralId,
    payment: Option<PaymentId>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.referral set state = 'rewarded', payment_id = $2, closed_at = $3
         where id = $1 and state = 'pending'",
        id as ReferralId,
        payment as Option<PaymentId>,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn refuse(
    conn: &mut PgConnection,
    id: ReferralId,
    why: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.referral set state = 'refused', note = $2, closed_at = $3 where id = $1 and state = 'pending'",
        id as ReferralId,
        why,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<ReferralView>> {
    sqlx::query!(
        r#"select id as "id: ReferralId", programme, referrer_id = $1 as "invited_by_us!", state, accepted_at, closed_at
           from billing.referral where tenant_id = $1 or referrer_id = $1
           order by accepted_at desc, id limit $2"#,
        tenant as TenantId,
        SHOWN,
    )
    .map(|row| ReferralView {
        id: row.id,
        programme: row.programme,
        invited_by_us: row.invited_by_us,
        state: State::from_stored(&row.state),
        accepted_at: row.accepted_at,
        closed_at: row.closed_at,
    })
    .fetch_all(conn)
    .await
}
