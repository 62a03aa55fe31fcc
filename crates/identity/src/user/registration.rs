use db::{Ctx, OnConstraint, Scope};
use kernel::Lang;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;

use super::{UserView, fold_email, new_view, store};
use crate::{
    Error, Identity, KeyTerms, NewSession, Principal, RequestMeta, Session, TenantId, UserId,
    audit, key,
    letters::{self, Wish},
    password,
    session::{self, Entry, Proof},
    tenant, throttle,
};

/// Who someone is when they register. The address is taken as folded: trimmed and in lower case.
#[derive(Debug)]
pub struct NewUser {
    pub email: String,
    pub password: SecretString,
    pub display_name: Option<String>,
    pub locale: Lang,
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

async fn own_tenant(conn: &mut PgConnection, cx: &Ctx, user: UserId) -> sqlx::Result<Principal> {
    let tenant = tenant::new_personal(conn, cx).await?;
    tenant::insert_owner(conn, cx, tenant, user).await?;
    Ok(Principal::user(tenant, user))
}
