mod http;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, OnConstraint, Scope};
use kernel::Lang;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Caller, Error, Identity, KeyTerms, NewSession, PROOF_COUNTS, Permission, Principal,
    RequestMeta, Session, TenantId, UserId, audit, key,
    letters::{self, Wish},
    password, secret,
    session::{self, Entry, Proof},
    tenant::{self, TenantView},
    throttle,
};

pub use http::entered;
pub(crate) use http::{check_email, check_password, router, with_cookies};

/// Who someone is when they register. The address is taken as folded: trimmed and in lower case.
#[derive(Debug)]
pub struct NewUser {
    pub email: String,
    pub password: SecretString,
    pub display_name: Option<String>,
    pub locale: Lang,
}

/// The caller as shown to itself.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Me {
    /// `null` for a guest or a key.
    #[schema(required)]
    pub user: Option<UserView>,
    /// The tenant that the caller acts for.
    pub tenant: TenantView,
    /// All that the user may act for.
    pub tenants: Vec<TenantView>,
    pub guest: bool,
    /// What the caller may do in the tenant.
    pub permissions: Vec<Permission>,
    /// When the user last proved who they are.
    #[schema(required)]
    pub signed_in_at: Option<DateTime<Utc>>,
    /// Until when that proof counts for sensitive actions.
    #[schema(required)]
    pub stepped_up_until: Option<DateTime<Utc>>,
    /// When the account will be deleted, if that was asked for.
    #[schema(required)]
    pub deletion_at: Option<DateTime<Utc>>,
}

/// A user as shown to itself.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    pub id: UserId,
    /// `null` for a child.
    #[schema(required)]
    pub email: Option<String>,
    pub email_verified: bool,
    pub display_name: String,
    pub locale: Lang,
    /// Whether the user runs this house.
    pub operator: bool,
    /// What a child signs in with, beside the PIN.
    #[schema(required)]
    pub login_name: Option<String>,
}

/// A new account with its session and its first key.
#[derive(Debug)]
pub struct Registered {
    pub opened: NewSession,
    pub key: key::NewKey,
}

/// Makes a user with a personal tenant, a first API key and a session; all of it commits together or not at all.
///
/// The address is not proven yet, so any number of accounts may name it, and whether one exists already shows neither in
/// the answer nor in its time: the letter decides. Whoever follows its link has the address for themselves. A guest
/// becomes the user: the guest's tenant turns into the personal one, so chats and what is left of the quota stay where they
/// are. The guest's session ends.
pub async fn register(
    room: &Identity,
    new: NewUser,
    guest: Option<Session>,
    meta: &RequestMeta,
) -> Result<Registered, Error> {
    let cx = &room.cx;
    throttle::count(cx, throttle::REGISTER, &meta.source()).await?;
    let email = fold_email(&new.email);
    let hash = room.passwords.hash_new(new.password, &email).await?;
    let user = new_view(cx, Some(email.clone()), new.display_name, new.locale);

    let mut tx = cx.db.begin(Scope::House("registration")).await?;
    store::insert(&mut tx, &user, Some(&hash), cx.clock.now()).await?;
    let tenant = match take_guest_over(&mut tx, cx, guest).await? {
        Some(tenant) => tenant,
        None => tenant::new_personal(&mut tx, cx).await?,
    };
    tenant::insert_owner(&mut tx, cx, tenant, user.id).await?;
    let principal = Principal::user(tenant, user.id);
    audit::Action::new("user.register", user.id)
        .record(&mut tx, cx, meta, principal)
        .await?;
    let terms = KeyTerms::named(match user.locale {
        Lang::Ja => "最初のキー",
        Lang::En => "First key",
    });
    let (key_id, secret) = key::insert(&mut tx, cx, &terms, principal, meta).await?;
    let key = key::show(&mut tx, cx, tenant, key_id).await?;
    letters::wish(
        &mut tx,
        cx,
        Wish::Register,
        &email,
        Some(user.id),
        user.locale,
    )
    .await?;
    let entry = Entry {
        tenant,
        user: Some(user.id),
        proofs: &[Proof::Password],
    };
    let opened = session::open(&mut tx, cx, &entry, meta).await?;
    tx.commit().await?;
    Ok(Registered {
        opened,
        key: key::NewKey { key, secret },
    })
}

/// Makes a user whose address the operator vouches for: at the command line, and for the demo.
///
/// # Errors
/// `EmailTaken` when a proven account has the address.
pub async fn add_user(
    room: &Identity,
    new: NewUser,
    operator: bool,
    meta: &RequestMeta,
) -> Result<Principal, Error> {
    let cx = &room.cx;
    let email = fold_email(&new.email);
    let hash = room.passwords.hash_new(new.password, &email).await?;
    let user = UserView {
        operator,
        ..new_view(cx, Some(email), new.display_name, new.locale)
    };
    let mut tx = cx
        .db
        .begin(Scope::House("the operator adds a user"))
        .await?;
    store::insert(&mut tx, &user, Some(&hash), cx.clock.now()).await?;
    store::verify_email(&mut tx, user.id, cx.clock.now())
        .await
        .on_constraint("user_email_key", || Error::EmailTaken)?;
    let principal = own_tenant(&mut tx, cx, user.id).await?;
    audit::Action::new("user.add", user.id)
        .after(json!({ "operator": operator }))
        .record_as(&mut tx, cx, meta, Some(principal.tenant), "operator")
        .await?;
    tx.commit().await?;
    Ok(principal)
}

/// Takes over a user of another system with their password hash, which is replaced at their next sign-in if it is not one of
/// ours.
///
/// # Errors
/// `EmailTaken` when a proven account has the address; a fault for a hash that is neither bcrypt nor argon2id.
pub async fn import_user(
    room: &Identity,
    email: &str,
    password_hash: &str,
    display_name: Option<String>,
    locale: Lang,
    meta: &RequestMeta,
) -> Result<Principal, Error> {
    if !password::is_known(password_hash) {
        return Err(kernel::Fault::broken("a password hash is neither bcrypt nor argon2").into());
    }
    let cx = &room.cx;
    let user = new_view(cx, Some(fold_email(email)), display_name, locale);
    let mut tx = cx.db.begin(Scope::House("a user is imported")).await?;
    store::insert(&mut tx, &user, Some(password_hash), cx.clock.now()).await?;
    store::verify_email(&mut tx, user.id, cx.clock.now())
        .await
        .on_constraint("user_email_key", || Error::EmailTaken)?;
    let principal = own_tenant(&mut tx, cx, user.id).await?;
    audit::Action::new("user.import", user.id)
        .record_as(&mut tx, cx, meta, Some(principal.tenant), "operator")
        .await?;
    tx.commit().await?;
    Ok(principal)
}

/// Makes a user that an issuer vouches for, with a personal tenant, in the caller's transaction. A guest becomes the user, as
/// at registration: the guest's tenant turns into the personal one, and the guest's session ends.
pub(crate) async fn insert_from_outside(
    conn: &mut PgConnection,
    cx: &Ctx,
    email: Option<&str>,
    display_name: Option<String>,
    locale: Lang,
    guest: Option<Session>,
) -> Result<UserId, Error> {
    let user = new_view(cx, email.map(fold_email), display_name, locale);
    store::insert(conn, &user, None, cx.clock.now()).await?;
    match take_guest_over(conn, cx, guest).await? {
        Some(tenant) => tenant::insert_owner(conn, cx, tenant, user.id).await?,
        None => {
            own_tenant(conn, cx, user.id).await?;
        }
    }
    Ok(user.id)
}

/// The tenant of a guest who gets an account; the guest's session ends. Of several at once one takes it over.
async fn take_guest_over(
    conn: &mut PgConnection,
    cx: &Ctx,
    guest: Option<Session>,
) -> Result<Option<TenantId>, Error> {
    let Some(session) = guest.filter(|session| session.principal.is_guest()) else {
        return Ok(None);
    };
    match session::keep(conn, session).await {
        Ok(()) => {
            session::end(conn, cx, session.id).await?;
            Ok(Some(session.principal.tenant))
        }
        Err(Error::Unauthenticated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a child's user in the caller's transaction: no address, a name to sign in with, a hashed PIN.
pub(crate) async fn insert_child(
    conn: &mut PgConnection,
    cx: &Ctx,
    login_name: &str,
    display_name: &str,
    locale: Lang,
    pin_hash: &str,
) -> Result<UserId, Error> {
    let user = UserView {
        login_name: Some(login_name.to_owned()),
        ..new_view(cx, None, Some(display_name.to_owned()), locale)
    };
    store::insert(conn, &user, Some(pin_hash), cx.clock.now())
        .await
        .on_constraint("user_login_name_key", || Error::NameTaken)?;
    Ok(user.id)
}

async fn own_tenant(conn: &mut PgConnection, cx: &Ctx, user: UserId) -> sqlx::Result<Principal> {
    let tenant = tenant::new_personal(conn, cx).await?;
    tenant::insert_owner(conn, cx, tenant, user).await?;
    Ok(Principal::user(tenant, user))
}

/// Who the caller is.
pub async fn me(room: &Identity, caller: &Caller) -> Result<Me, Error> {
    let principal = caller.principal;
    let mut tx = room.cx.db.begin(Scope::House("who am I")).await?;
    let (user, tenants, deletion_at) = match principal.user {
        Some(id) => (
            store::find(&mut tx, id).await?,
            tenant::all_of(&mut tx, id).await?,
            store::deletion_at(&mut tx, id).await?,
        ),
        None => (None, Vec::new(), None),
    };
    let tenant = tenant::current(&mut tx, principal)
        .await?
        .ok_or(Error::Unauthenticated)?;
    tx.commit().await?;
    Ok(Me {
        guest: principal.is_guest(),
        user,
        tenant,
        tenants,
        permissions: Permission::ALL
            .into_iter()
            .filter(|permission| caller.may(*permission))
            .collect(),
        signed_in_at: caller.proven_at,
        stepped_up_until: caller
            .proven_at
            .map(|proven| proven + PROOF_COUNTS)
            .filter(|until| *until > room.cx.clock.now()),
        deletion_at,
    })
}

/// Changes what a user is called and which language they read.
pub(crate) async fn update_profile(
    room: &Identity,
    caller: &Caller,
    display_name: Option<&str>,
    locale: Option<Lang>,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("profile")).await?;
    store::update_profile(&mut tx, user, display_name, locale).await?;
    audit::Action::new("user.change", user)
        .after(json!({ "display_name": display_name.is_some(), "locale": locale }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Who may be meant by an address: the account that proved it, else the newest that claims it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) password_hash: Option<String>,
    pub(crate) verified: bool,
}

pub(crate) async fn find_by_email(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<Known>> {
    store::find_by_email(conn, email).await
}

pub(crate) async fn find_by_login_name(
    conn: &mut PgConnection,
    login_name: &str,
) -> sqlx::Result<Option<Known>> {
    store::find_by_login_name(conn, login_name).await
}

pub(crate) async fn find_by_id(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<Known>> {
    store::find_by_id(conn, user).await
}

pub(crate) async fn find_view(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<UserView>> {
    store::find(conn, user).await
}

pub(crate) async fn display_name(conn: &mut PgConnection, user: UserId) -> Result<String, Error> {
    let found = store::find(conn, user).await?;
    Ok(found.map(|user| user.display_name).unwrap_or_default())
}

/// Leaves an account without a password; says whether it had one.
pub(crate) async fn clear_password(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    store::clear_password(conn, user).await
}

pub(crate) async fn set_password(
    conn: &mut PgConnection,
    user: UserId,
    hash: &str,
) -> sqlx::Result<()> {
    store::set_password(conn, user, hash).await
}

/// Puts a newer hash of the same password in the place of the old one, unless somebody changed the password meanwhile.
pub(crate) async fn refresh_password(
    conn: &mut PgConnection,
    user: UserId,
    before: &str,
    hash: &str,
) -> sqlx::Result<bool> {
    store::refresh_password(conn, user, before, hash).await
}

/// Which password of a user's was checked: a hash of its hash, so worth nothing to whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// Of a stored password hash.
    pub(crate) fn of(password_hash: &str) -> Self {
        Self(hex::encode(secret::hash(password_hash)))
    }

    /// As it was written down between two requests.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes the user's lock until the transaction ends. Whatever opens, renews or ends what a user came in with takes it first,
/// so that nothing is opened beside the end of everything.
pub(crate) async fn lock(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    store::lock_password(conn, user).await.map(drop)
}

/// As [`lock`], and says whether the password is still the one that was checked.
pub(crate) async fn lock_and_compare(
    conn: &mut PgConnection,
    user: UserId,
    stamp: &Stamp,
) -> sqlx::Result<bool> {
    let hash = store::lock_password(conn, user).await?;
    Ok(hash.is_some_and(|hash| Stamp::of(&hash) == *stamp))
}

/// Gives an address to the user who proved it; others who only claimed it have none any more.
///
/// # Errors
/// `LinkExpired` when another account proved it in the meantime.
pub(crate) async fn prove_email(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    email: &str,
) -> Result<(), Error> {
    store::set_email(conn, user, email, cx.clock.now())
        .await
        .on_constraint("user_email_key", || Error::LinkExpired)?;
    store::drop_claims(conn, user, email).await?;
    Ok(())
}

fn new_view(
    cx: &Ctx,
    email: Option<String>,
    display_name: Option<String>,
    locale: Lang,
) -> UserView {
    let display_name = display_name
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| {
            let start = email.as_ref()?.split('@').next()?;
            Some(start.chars().take(50).collect())
        })
        .unwrap_or_else(|| "—".to_owned());
    UserView {
        id: cx.ids.new_id(),
        email,
        email_verified: false,
        display_name,
        locale,
        operator: false,
        login_name: None,
    }
}

pub(crate) fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Whether the text has the shape of an address that mail can reach: one @, no spaces, something on both sides.
pub fn email_is_plausible(email: &str) -> bool {
    let email = email.trim();
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    (3..=254).contains(&email.len())
        && !local.is_empty()
        && domain.chars().count() >= 2
        && !domain.contains('@')
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for (email, plausible) in [
            ("a@b.jp", true),
            (" A@B.jp ", true),
            ("名前@例え.jp", true),
            ("a@b@c.jp", false),
            ("a b@c.jp", false),
            ("@b.jp", false),
            ("a@", false),
            ("", false),
            (&format!("{}@b.jp", "a".repeat(250)), false),
        ] {
            assert_eq!(email_is_plausible(email), plausible, "{email}");
        }
    }
}
