pub(crate) mod http;
mod store;

use api::FieldErrors;
use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, Principal, RequestMeta, TenantId};
use kernel::{Cursor, Page, PageRequest, Text};
use ledger::{Drift, Grant, LotId, Source, Whereabouts};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Entitlement, Error, error::unexpected, lease, unit::storefront_of};

kernel::id!(
    /// Units that an operator gave once, beside a plan; the lot has the same number.
    GrantId, "grt"
);

/// The most units of one grant.
const LARGEST: i64 = 1_000_000_000;
/// The longest that they live, unless for ever.
const LONGEST: Duration = Duration::days(5 * 366);
const LONGEST_REASON: usize = 200;
/// The most grants that are compared at once.
const PAGE: i64 = 1000;

/// Units to give.
#[derive(Clone, Debug)]
pub struct OneOff {
    pub unit: String,
    pub amount: i64,
    pub expires_at: Option<DateTime<Utc>>,
    /// The customer reads it with the lot.
    pub reason: String,
    /// Names the request: whoever says the same key again gives nothing more, however long after.
    pub key: Option<String>,
}

/// Who gives and takes back.
#[derive(Clone, Copy, Debug)]
pub struct Giver<'a> {
    /// None at the command line.
    pub principal: Option<Principal>,
    pub meta: &'a RequestMeta,
}

impl Giver<'_> {
    pub(crate) fn actor(&self) -> String {
        self.principal
            .map_or_else(|| "operator".to_owned(), |by| by.actor())
    }
}

/// A grant as it is kept.
#[derive(Clone, Debug)]
struct Kept {
    id: GrantId,
    tenant: TenantId,
    unit: String,
    amount: i64,
    reason: String,
    given_by: String,
    given_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    revoked_by: Option<String>,
    revoked_reason: Option<String>,
}

/// Units that an operator gave beside a plan, and what became of them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OneOffGrant)]
pub struct GrantView {
    pub id: GrantId,
    #[schema(value_type = String)]
    pub tenant: TenantId,
    pub unit: String,
    pub amount: i64,
    /// What nobody used or set aside yet.
    pub left: i64,
    /// Set aside for work under way.
    pub held: i64,
    pub used: i64,
    pub reason: String,
    /// An operator's id, or `operator` for the command line.
    pub given_by: String,
    pub given_at: DateTime<Utc>,
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_by: Option<String>,
    #[schema(required)]
    pub revoked_reason: Option<String>,
}

impl Kept {
    fn lot(&self) -> LotId {
        LotId(self.id.0)
    }

    /// What the books say of it: a word, who, and after a space why.
    fn story(&self) -> String {
        format!("operator/{} {}", self.given_by, self.reason)
    }

    fn view(self, lots: &[Whereabouts]) -> GrantView {
        let lot = lots.iter().find(|lot| lot.id == self.lot());
        GrantView {
            id: self.id,
            tenant: self.tenant,
            unit: self.unit,
            amount: self.amount,
            left: lot.map_or(0, |lot| lot.available),
            held: lot.map_or(0, |lot| lot.held),
            used: lot.map_or(0, |lot| lot.spent),
            reason: self.reason,
            given_by: self.given_by,
            given_at: self.given_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            revoked_by: self.revoked_by,
            revoked_reason: self.revoked_reason,
        }
    }
}

fn check_reason(reason: &str, errors: &mut FieldErrors) {
    errors.length(reason.trim(), "/reason", 1, LONGEST_REASON);
    errors.require(
        !reason.chars().any(char::is_control),
        "/reason",
        "characters",
        Text::new("1行で書いてください。", "Please write one line."),
    );
}

impl OneOff {
    /// Adds an error for each field that can't be; whoever asks, at a door or at the command line.
    fn check(&self, units: &[&str], now: DateTime<Utc>, errors: &mut FieldErrors) {
        errors.require(
            units.contains(&self.unit.as_str()),
            "/unit",
            "unknown",
            Text::new(
                "プランや追加購入にある単位を選んでください。",
                "Please choose a unit of a plan or a top-up.",
            ),
        );
        errors.require(
            (1..=LARGEST).contains(&self.amount),
            "/amount",
            "out_of_range",
            Text::new(
                "1〜10億の数にしてください。",
                "It has to be between 1 and 1,000,000,000.",
            ),
        );
        errors.require(
            self.expires_at
                .is_none_or(|at| at > now && at <= now + LONGEST),
            "/expires_at",
            "out_of_range",
            Text::new(
                "期限は、いまより後の5年以内にしてください。",
                "The end has to be within the next five years.",
            ),
        );
        check_reason(&self.reason, errors);
    }
}

/// Gives a tenant units beside its plan, once for each key. They are free units of a lot of their own, which names who gave
/// them and why, and are used like those of the plan: what ends first goes first.
///
/// # Errors
/// `TenantNotFound`, `BadGrant`, and `GrantMismatch` when the key was used for something else.
pub async fn give(
    room: &Entitlement,
    by: Giver<'_>,
    tenant: TenantId,
    wish: OneOff,
) -> Result<GrantView, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut errors = FieldErrors::default();
    {
        let catalogue = room.catalogue.now();
        wish.check(&catalogue.units(), now, &mut errors);
    }
    errors
        .into_result(())
        .map_err(|found| Error::BadGrant(Box::new(found)))?;
    let actor = by.actor();
    let id = match &wish.key {
        Some(key) => {
            let name = format!("operator:{actor}:{key}");
            GrantId(Uuid::new_v5(&tenant.0, name.as_bytes()))
        }
        None => cx.ids.new_id(),
    };
    let new = Kept {
        id,
        tenant,
        unit: wish.unit,
        amount: wish.amount,
        reason: wish.reason.trim().to_owned(),
        given_by: actor,
        given_at: now,
        expires_at: wish.expires_at,
        revoked_at: None,
        revoked_by: None,
        revoked_reason: None,
    };
    let mut tx = begin(cx).await?;
    if !identity::tenant_exists(&mut tx, tenant).await? {
        return Err(Error::TenantNotFound);
    }
    let kept = if store::insert(&mut tx, &new).await? {
        post(&mut tx, cx, &by, &new).await?;
        new
    } else {
        let before = store::lock(&mut tx, id)
            .await?
            .ok_or(Error::GrantNotFound)?;
        let of = |one: &Kept| {
            (
                one.unit.clone(),
                one.amount,
                one.reason.clone(),
                one.expires_at,
            )
        };
        if of(&before) != of(&new) {
            return Err(Error::GrantMismatch);
        }
        before
    };
    let lots = ledger::whereabouts(&mut tx, &[kept.lot()]).await?;
    tx.commit().await?;
    Ok(kept.view(&lots))
}

async fn post(conn: &mut PgConnection, cx: &Ctx, by: &Giver<'_>, new: &Kept) -> Result<(), Error> {
    let story = new.story();
    let grant = Grant {
        id: new.id.0,
        tenant: new.tenant,
        unit: &new.unit,
        amount: new.amount,
        source: Source::Free,
        priority: 0,
        reason: &story,
        expires_at: new.expires_at,
    };
    // leases before the books, as whoever gives one back
    let storefront = storefront_of(&new.unit);
    lease::store::lock(conn, new.tenant, storefront).await?;
    lease::changed(conn, new.tenant, storefront).await?;
    ledger::grant(conn, cx, &grant).await.map_err(unexpected)?;
    let stock = ledger::stock(conn, new.tenant, &new.unit, new.given_at).await?;
    AuditAction::new("grant.give", new.id)
        .before(json!({ "unit": new.unit, "available": stock.available - new.amount }))
        .after(json!({
            "unit": new.unit, "available": stock.available, "amount": new.amount, "expires_at": new.expires_at,
        }))
        .record_as(conn, cx, by.meta, Some(new.tenant), &new.given_by)
        .await?;
    Ok(())
}

/// Takes back what nobody used of a grant. What is set aside at that moment may still be used; what of it comes back is taken
/// by [`take_revoked`]. Said again it changes nothing.
///
/// # Errors
/// `GrantNotFound`, also of another tenant's; `BadGrant` for a reason that can't be.
pub async fn revoke(
    room: &Entitlement,
    by: Giver<'_>,
    (tenant, id): (TenantId, GrantId),
    reason: &str,
) -> Result<GrantView, Error> {
    let cx = &room.cx;
    let mut errors = FieldErrors::default();
    check_reason(reason, &mut errors);
    errors
        .into_result(())
        .map_err(|found| Error::BadGrant(Box::new(found)))?;
    let mut tx = begin(cx).await?;
    let found = store::lock(&mut tx, id).await?;
    let mut kept = found
        .filter(|kept| kept.tenant == tenant)
        .ok_or(Error::GrantNotFound)?;
    if kept.revoked_at.is_none() {
        let (at, actor, reason) = (cx.clock.now(), by.actor(), reason.trim());
        // as all who take of a tenant's units do, before its books
        let storefront = storefront_of(&kept.unit);
        lease::store::lock(&mut tx, tenant, storefront).await?;
        lease::changed(&mut tx, tenant, storefront).await?;
        let before = ledger::stock(&mut tx, tenant, &kept.unit, at).await?;
        store::revoke(&mut tx, id, (at, &actor, reason)).await?;
        let story = format!("operator/{actor} {reason}");
        take(&mut tx, cx, &kept, &story).await?;
        let after = ledger::stock(&mut tx, tenant, &kept.unit, at).await?;
        AuditAction::new("grant.revoke", id)
            .before(json!({ "unit": kept.unit, "available": before.available }))
            .after(json!({ "unit": kept.unit, "available": after.available }))
            .record_as(&mut tx, cx, by.meta, Some(tenant), &actor)
            .await?;
        kept.revoked_at = Some(at);
        kept.revoked_by = Some(actor);
        kept.revoked_reason = Some(reason.to_owned());
    }
    let lots = ledger::whereabouts(&mut tx, &[kept.lot()]).await?;
    tx.commit().await?;
    Ok(kept.view(&lots))
}

/// Takes what is left of the lot; once nothing of it can come back, it is looked at no more.
async fn take(conn: &mut PgConnection, cx: &Ctx, kept: &Kept, story: &str) -> Result<(), Error> {
    ledger::reverse(conn, cx, kept.lot(), 0, story)
        .await
        .map_err(unexpected)?;
    let lots = ledger::whereabouts(conn, &[kept.lot()]).await?;
    if lots.iter().all(|lot| lot.held == 0 && lot.available == 0) {
        store::forget(conn, kept.id).await?;
    }
    Ok(())
}

/// Takes what was set aside when its grant was taken back and has come back since, at most `most` grants; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn take_revoked(cx: &Ctx, most: i64) -> Result<usize, Error> {
    let mut tx = begin(cx).await?;
    let due = store::watched(&mut tx, most).await?;
    tx.commit().await?;
    let count = due.len();
    for id in due {
        let mut tx = begin(cx).await?;
        if let Some(kept) = store::lock(&mut tx, id).await? {
            let by = kept.revoked_by.as_deref().unwrap_or_default();
            let why = kept.revoked_reason.as_deref().unwrap_or_default();
            take(&mut tx, cx, &kept, &format!("operator/{by} {why}")).await?;
        }
        tx.commit().await?;
    }
    Ok(count)
}

/// What operators gave a tenant, the newest first.
///
/// # Errors
/// `TenantNotFound`.
pub async fn grants_of(
    room: &Entitlement,
    tenant: TenantId,
    page: &PageRequest,
) -> Result<Page<GrantView>, Error> {
    let mut tx = begin(&room.cx).await?;
    if !identity::tenant_exists(&mut tx, tenant).await? {
        return Err(Error::TenantNotFound);
    }
    let kept = store::of_tenant(&mut tx, tenant, page).await?;
    let ids: Vec<LotId> = kept.iter().map(Kept::lot).collect();
    let lots = ledger::whereabouts(&mut tx, &ids).await?;
    tx.commit().await?;
    let page = Page::from_rows(kept, page, |kept| Cursor {
        at: kept.given_at,
        id: kept.id.0,
    });
    Ok(page.map(|kept| kept.view(&lots)))
}

/// Compares every grant with its lot; what differs is told with who gave it and why.
pub(crate) async fn verify(cx: &Ctx) -> Result<Vec<Drift>, Error> {
    let mut tx = begin(cx).await?;
    let mut drifts = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let page = store::all_after(&mut tx, after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.id.0;
        let ids: Vec<LotId> = page.iter().map(Kept::lot).collect();
        let lots = ledger::whereabouts(&mut tx, &ids).await?;
        for kept in &page {
            let lot = lots.iter().find(|lot| {
                (lot.id, lot.tenant, &lot.unit) == (kept.lot(), kept.tenant, &kept.unit)
            });
            let found = lot.map_or(0, |lot| lot.amount);
            if found != kept.amount {
                drifts.push(Drift {
                    rule: "what an operator gave is its lot's".to_owned(),
                    place: format!("{} ({})", kept.id, kept.story()),
                    expected: kept.amount,
                    found,
                });
            }
        }
    }
    tx.commit().await?;
    Ok(drifts)
}

async fn begin(cx: &Ctx) -> sqlx::Result<db::Tx> {
    cx.db.begin(Scope::House("what operators give")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_of_a_known_unit_bounded_and_says_why() {
        let now = "2026-11-20T09:00:00Z".parse().unwrap();
        let good = OneOff {
            unit: "misaki.chat".to_owned(),
            amount: 1,
            expires_at: None,
            reason: "ご不便のお詫び".to_owned(),
            key: None,
        };
        let refused = |wish: &OneOff| {
            let mut errors = FieldErrors::default();
            wish.check(&["misaki.chat"], now, &mut errors);
            errors.into_result(()).is_err()
        };
        let with = |change: fn(&mut OneOff, DateTime<Utc>)| {
            let mut wish = good.clone();
            change(&mut wish, now);
            refused(&wish)
        };
        assert!(!refused(&good));
        assert!(!with(|wish, now| wish.expires_at = Some(now + LONGEST)));
        assert!(!with(|wish, _| wish.amount = LARGEST));
        assert!(with(|wish, _| wish.amount = LARGEST + 1));
        assert!(with(|wish, _| wish.amount = 0));
        assert!(with(|wish, _| wish.unit = "misaki.cost".to_owned()));
        assert!(with(|wish, now| wish.expires_at = Some(now)));
        assert!(with(
            |wish, now| wish.expires_at = Some(now + LONGEST + Duration::seconds(1))
        ));
        assert!(with(|wish, _| wish.reason = "  ".to_owned()));
        assert!(with(|wish, _| wish.reason = "a\nb".to_owned()));
        assert!(with(|wish, _| wish.reason = "長".repeat(201)));
    }
}
