pub(crate) mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::{OnConstraint, Scope};
use entitlement::{Programme, Reward, Trigger};
use identity::{AuditAction, Caller, Kin, Principal, RequestMeta, TenantId};
use kernel::Text;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Billing, Error, PaymentId, Shop, customer,
    reward::{self, Owed},
    stripe::{Charge, List},
    subscription,
};

kernel::id!(
    /// An invitation that was accepted.
    ReferralId, "ref"
);

/// What codes are made of: what can't be mistaken when it is read out.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const LENGTH: usize = 8;
/// How long somebody is new.
const NEW: Duration = Duration::days(30);

/// A programme as its tenant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProgrammeView {
    id: String,
    title: Text,
    trigger: Trigger,
    /// How many invitations one code is good for.
    #[schema(minimum = 1, maximum = 1000)]
    most: u32,
    /// What whoever invites gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<Reward>,
    /// What whoever is invited gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited: Option<Reward>,
    /// The tenant's own code, once it was made.
    #[schema(required)]
    code: Option<CodeView>,
}

/// A code to hand out.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CodeView {
    programme: String,
    code: String,
    /// Leads to the page that accepts it.
    link: String,
    accepted: i32,
    most: i32,
}

/// An invitation that was accepted. Whom somebody invited is not told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReferralView {
    pub(crate) id: ReferralId,
    pub(crate) programme: String,
    /// Whether the tenant invited, or was invited.
    pub(crate) invited_by_us: bool,
    #[schema(inline)]
    pub(crate) state: State,
    pub(crate) accepted_at: DateTime<Utc>,
    #[schema(required)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
}

/// Programmes and invitations of a tenant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReferralsView {
    programmes: Vec<ProgrammeView>,
    /// The newest hundred.
    invitations: Vec<ReferralView>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Rewarded,
    /// It turned out to be of oneself.
    Refused,
}

impl State {
    fn from_stored(text: &str) -> Self {
        match text {
            "rewarded" => Self::Rewarded,
            "refused" => Self::Refused,
            _ => Self::Pending,
        }
    }
}

/// A code as it is kept.
#[derive(Debug)]
struct Code {
    id: Uuid,
    tenant: TenantId,
    programme: String,
    letters: String,
    accepted: i32,
    most: i32,
}

impl Code {
    fn view(self, room: &Billing) -> CodeView {
        CodeView {
            link: format!(
                "{}/account/rewards?code={}",
                room.terms.account_url, self.letters
            ),
            programme: self.programme,
            code: self.letters,
            accepted: self.accepted,
            most: self.most,
        }
    }
}

/// An invitation with what was promised for it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: ReferralId,
    referrer: TenantId,
    tenant: TenantId,
    programme: Programme,
}

/// What somebody is known by: a digest of a person, a browser or a card.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    kind: &'static str,
    digest: Vec<u8>,
}

impl Mark {
    fn new(kind: &'static str, what: &str) -> Self {
        let digest = Sha256::digest(format!("{kind}:{what}").as_bytes()).to_vec();
        Self { kind, digest }
    }
}

fn marks(people: &[identity::UserId], browsers: &[Uuid]) -> Vec<Mark> {
    let people = people
        .iter()
        .map(|user| Mark::new("person", &user.to_string()));
    let browsers = browsers
        .iter()
        .map(|browser| Mark::new("device", &browser.to_string()));
    people.chain(browsers).collect()
}

/// Whether two tenants are the same people: someone is in both or in a family with someone of the other, or they came from
/// one browser.
fn is_oneself(referrer: &Kin, invited: &Kin) -> bool {
    let known = marks(&referrer.relatives, &referrer.browsers);
    marks(&invited.people, &invited.browsers)
        .iter()
        .any(|mark| known.contains(mark))
}

fn programme(room: &Billing, id: &str) -> Option<Programme> {
    let catalogue = room.entitlement.catalogue.now();
    catalogue.rewards().programme(id).cloned()
}

pub(crate) async fn view(room: &Billing, by: Principal) -> Result<ReferralsView, Error> {
    // an invitation is a row of whoever was invited, so that the house reads it for whoever invited
    let mut tx = begin(room).await?;
    let mut codes = store::codes(&mut tx, by.tenant).await?;
    let invitations = store::list(&mut tx, by.tenant).await?;
    tx.commit().await?;
    let all = room.entitlement.catalogue.now().rewards().clone();
    let programmes = all.referral.into_iter().map(|programme| {
        let own = codes.iter().position(|code| code.programme == programme.id);
        ProgrammeView {
            code: own.map(|place| codes.swap_remove(place).view(room)),
            id: programme.id,
            title: programme.title,
            trigger: programme.trigger,
            most: programme.most,
            referrer: programme.referrer,
            invited: programme.invited,
        }
    });
    Ok(ReferralsView {
        programmes: programmes.collect(),
        invitations,
    })
}

/// The tenant's code in a programme, made if it is the first time.
pub(crate) async fn invite(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    id: &str,
) -> Result<CodeView, Error> {
    let cx = &room.cx;
    let by = caller.principal;
    let programme = programme(room, id).ok_or(Error::NoReferral)?;
    let most = i32::try_from(programme.most).unwrap_or(i32::MAX);
    let mut tx = begin(room).await?;
    // a code that somebody has already is drawn again; with 2^40 of them that happens once, if ever
    for _ in 0..3 {
        if let Some(own) = store::code_of(&mut tx, by.tenant, &programme.id).await? {
            tx.commit().await?;
            return Ok(own.view(room));
        }
        let new = Code {
            id: cx.ids.new_id(),
            tenant: by.tenant,
            programme: programme.id.clone(),
            letters: code_from(cx.ids.new_id()),
            accepted: 0,
            most,
        };
        if store::insert_code(&mut tx, &new, cx.clock.now()).await? {
            AuditAction::new("referral.invite", new.id)
                .after(json!({ "programme": new.programme }))
                .record(&mut tx, cx, meta, by)
                .await?;
        }
    }
    let own = store::code_of(&mut tx, by.tenant, &programme.id).await?;
    tx.commit().await?;
    Ok(own.ok_or(Error::NoReferral)?.view(room))
}

/// A code of the random end of an id.
fn code_from(id: Uuid) -> String {
    let random = id.into_bytes().into_iter().rev().take(LENGTH);
    random
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Accepts an invitation. The constraints decide: once for each tenant, person and browser, and no more often than the code
/// is good for.
pub(crate) async fn accept(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    code: &str,
) -> Result<ReferralView, Error> {
    let cx = &room.cx;
    let by = caller.principal;
    let now = cx.clock.now();
    let mut tx = begin(room).await?;
    // payments of the tenant stand in the same line, so that the first one is the first one
    subscription::store::lock(&mut tx, by.tenant).await?;
    let code = store::code(&mut tx, &code.to_ascii_uppercase())
        .await?
        .ok_or(Error::NoReferral)?;
    let programme = programme(room, &code.programme).ok_or(Error::NoReferral)?;
    if identity::billing_contacts(&mut tx, by.tenant)
        .await?
        .is_empty()
    {
        return Err(Error::ReferralUnconfirmed);
    }
    let invited = identity::kin(&mut tx, by.tenant).await?;
    let referrer = identity::kin(&mut tx, code.tenant).await?;
    if code.tenant == by.tenant || is_oneself(&referrer, &invited) {
        return Err(Error::ReferralOwn);
    }
    let is_new = match programme.trigger {
        Trigger::SignUp => invited.since + NEW > now,
        Trigger::Invoice => !store::has_paid(&mut tx, by.tenant).await?,
    };
    if !is_new {
        return Err(Error::ReferralNotNew);
    }
    let new = Pending {
        id: cx.ids.new_id(),
        referrer: code.tenant,
        tenant: by.tenant,
        programme,
    };
    store::insert(&mut tx, &new, code.id, now)
        .await
        .on_constraint("referral_once", || Error::ReferralTwice)?;
    store::insert_marks(&mut tx, &new, &marks(&invited.people, &invited.browsers))
        .await
        .on_constraint("referral_mark_once", || Error::ReferralTwice)?;
    store::count(&mut tx, code.id)
        .await
        .on_constraint("referral_code_within", || Error::ReferralUsedUp)?;
    AuditAction::new("referral.accept", new.id)
        .after(json!({ "programme": new.programme.id }))
        .record(&mut tx, cx, meta, by)
        .await?;
    if new.programme.trigger == Trigger::SignUp {
        let owed = fulfil(&mut tx, room, &new, None).await?;
        reward::post(&mut tx, room, owed).await?;
    }
    let fulfilled = new.programme.trigger == Trigger::SignUp;
    tx.commit().await?;
    metrics::counter!("billing_referrals_accepted_total").increment(1);
    Ok(ReferralView {
        id: new.id,
        programme: new.programme.id,
        invited_by_us: false,
        state: if fulfilled {
            State::Rewarded
        } else {
            State::Pending
        },
        accepted_at: now,
        closed_at: fulfilled.then_some(now),
    })
}

/// The invitation that a tenant's first payment fulfils.
pub(crate) async fn pending(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<Pending>, Error> {
    let found = store::pending(conn, tenant).await?;
    Ok(found.filter(|one| one.programme.trigger == Trigger::Invoice))
}

/// The cards that both sides paid with, as digests.
#[derive(Debug)]
pub(crate) struct Cards {
    referrer: Vec<Mark>,
    invited: Vec<Mark>,
}

/// Asks Stripe for the cards of both sides.
pub(crate) async fn cards(room: &Billing, shop: &Shop, of: &Pending) -> Result<Cards, Error> {
    Ok(Cards {
        referrer: cards_of(room, shop, of.referrer).await?,
        invited: cards_of(room, shop, of.tenant).await?,
    })
}

async fn cards_of(room: &Billing, shop: &Shop, tenant: TenantId) -> Result<Vec<Mark>, Error> {
    let Some(customer) = customer::known(&room.cx, shop, tenant).await? else {
        return Ok(Vec::new());
    };
    let query = [("customer", customer.as_str()), ("limit", "100")];
    let charges: List<Charge> = shop.stripe.get("/v1/charges", &query).await?;
    let mut cards: Vec<Mark> = Vec::new();
    for card in charges.data.iter().filter_map(Charge::card) {
        let mark = Mark::new("card", card);
        if !cards.contains(&mark) {
            cards.push(mark);
        }
    }
    Ok(cards)
}

/// Closes an invitation after the first payment: refused when both sides have one card, or the card was invited before;
/// else what both sides are owed.
pub(crate) async fn close(
    conn: &mut PgConnection,
    room: &Billing,
    of: &Pending,
    cards: &Cards,
    payment: PaymentId,
) -> Result<Vec<Owed>, Error> {
    let shared = cards
        .invited
        .iter()
        .any(|card| cards.referrer.contains(card));
    if shared || !store::insert_cards(conn, of, &cards.invited).await? {
        store::refuse(conn, of.id, "card", room.cx.clock.now()).await?;
        tracing::info!(referral = %of.id, "an invitation is refused: both sides have one card");
        return Ok(Vec::new());
    }
    fulfil(conn, room, of, Some(payment)).await
}

async fn fulfil(
    conn: &mut PgConnection,
    room: &Billing,
    of: &Pending,
    payment: Option<PaymentId>,
) -> Result<Vec<Owed>, Error> {
    let now = room.cx.clock.now();
    if !store::fulfil(conn, of.id, payment, now).await? {
        return Ok(Vec::new());
    }
    let sides = [
        (of.referrer, &of.programme.referrer, "referrer"),
        (of.tenant, &of.programme.invited, "invited"),
    ];
    let mut owed = Vec::new();
    for (tenant, reward, side) in sides {
        let Some(reward) = reward else {
            continue;
        };
        let name = format!("referral:{}:{side}", of.id);
        reward::tell(
            conn,
            room,
            tenant,
            &name,
            (
                &Text::new("ご紹介が成立しました", "An invitation came true"),
                &Text::owned(
                    format!(
                        "「{}」のご紹介が成立し、お礼をお届けしました。",
                        of.programme.title.ja
                    ),
                    format!(
                        "An invitation of “{}” came true, and your thanks are in.",
                        of.programme.title.en
                    ),
                ),
            ),
        )
        .await?;
        let reason = format!("referral/{side} {}", of.id);
        owed.push(Owed::of(reward, tenant, (name, reason), now));
    }
    Ok(owed)
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("invitations")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(people: &[u128], relatives: &[u128], browsers: &[u128]) -> Kin {
        let users = |ids: &[u128]| {
            ids.iter()
                .map(|id| identity::UserId(Uuid::from_u128(*id)))
                .collect()
        };
        Kin {
            people: users(people),
            relatives: users(relatives),
            browsers: browsers.iter().map(|id| Uuid::from_u128(*id)).collect(),
            since: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn oneself_is_whoever_shares_a_person_a_family_or_a_browser() {
        let referrer = kin(&[1], &[1, 2], &[10]);
        for (invited, same) in [
            (kin(&[3], &[3], &[11]), false),
            (kin(&[1], &[1], &[]), true),
            (kin(&[2], &[2], &[]), true),
            (kin(&[3], &[3, 1], &[]), false),
            (kin(&[3], &[3], &[11, 10]), true),
            // a person is no browser, whatever their ids are
            (kin(&[10], &[10], &[1]), false),
        ] {
            assert_eq!(is_oneself(&referrer, &invited), same, "{invited:?}");
        }
    }

    #[test]
    fn a_code_can_be_read_out() {
        let code = code_from(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0fff));
        assert_eq!(code.len(), LENGTH);
        assert!(code.bytes().all(|letter| LETTERS.contains(&letter)));
        assert_eq!(code, "ZHGFEDCB");
    }
}
