mod http;

use db::{Ctx, Scope};
use kernel::Lang;
use mail::Template;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Caller, Error, Identity, NewSession, RequestMeta, Session, UserId, Via, audit, device, factor,
    letters::{self, Wish},
    link::{self, About, Kind},
    session, throttle,
    user::{self, fold_email},
};

pub(crate) use http::router;

/// Takes the wish for a new password. What happens is the same for every address; a letter goes to those that have an
/// account.
pub(crate) async fn forgot(
    room: &Identity,
    email: &str,
    lang: Lang,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let email = fold_email(email);
    throttle::count(cx, throttle::LETTERS_OF_NETWORK, &meta.source()).await?;
    throttle::count(cx, throttle::LETTER, &email).await?;
    let mut tx = cx.db.begin(Scope::House("a forgotten password")).await?;
    letters::wish(&mut tx, cx, Wish::Reset, &email, None, lang).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets a new password with a mailed link, which also proves the address. Every session, refresh token and known
/// browser of the account ends.
///
/// # Errors
/// `LinkExpired` unless the link is whole, `WeakPassword`, `Busy`.
pub(crate) async fn reset(
    room: &Identity,
    token: &str,
    password: SecretString,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("look at a reset link")).await?;
    let link = link::look_at(&mut tx, cx, Kind::Reset, token).await?;
    tx.commit().await?;
    // the costly hash is for links that can work; nobody can guess one
    let link = link.filter(|link| !link.stale).ok_or(Error::LinkExpired)?;
    let hash = room.passwords.hash_new(password, &link.email).await?;

    let mut tx = cx.db.begin(Scope::House("a reset password")).await?;
    let link = link::use_up(&mut tx, cx, Kind::Reset, token).await?;
    let user = person(link.about)?;
    user::prove_email(&mut tx, cx, user, &link.email).await?;
    replace_password(&mut tx, cx, user, &hash, Via::Outside, meta).await?;
    audit::Action::new("password.reset", user)
        .record_as(&mut tx, cx, meta, None, &user.to_string())
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Sets a new password for somebody who has just proved who they are. Everything else that let them in ends.
pub(crate) async fn change_password(
    room: &Identity,
    session: Session,
    password: SecretString,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let caller = Caller::from(session);
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("whose password")).await?;
    let view = user::find_view(&mut tx, user).await?;
    tx.commit().await?;
    let email = view.and_then(|view| view.email).unwrap_or_default();
    let hash = room.passwords.hash_new(password, &email).await?;

    let mut tx = cx.db.begin(Scope::House("a new password")).await?;
    replace_password(&mut tx, cx, user, &hash, caller.via, meta).await?;
    let tenant = session.principal.tenant;
    let opened = session::renew(&mut tx, cx, session, tenant, None, meta).await?;
    audit::Action::new("password.change", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(opened)
}

/// Takes the password away, so that a passkey alone lets its owner in (decision 0030). Everything else that let them in ends. A
/// mailed link can set a password again.
///
/// # Errors
/// `PasskeyNeeded` without a passkey that has worked, or without a confirmed address to mail to; `NotFound` without a password.
pub(crate) async fn remove_password(
    room: &Identity,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("no password any more")).await?;
    user::lock(&mut tx, user).await?;
    let is_proven = user::find_view(&mut tx, user)
        .await?
        .is_some_and(|view| view.email_verified);
    if !is_proven || !factor::has_used_passkey(&mut tx, user).await? {
        return Err(Error::PasskeyNeeded);
    }
    if !user::clear_password(&mut tx, user).await? {
        return Err(Error::NotFound);
    }
    tell_of_password(&mut tx, cx, user, caller.via, meta).await?;
    audit::Action::new("password.remove", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Puts a new password in the place of the old one, in the caller's transaction: whatever else let the user in ends, but what
/// `except` came with, and they get a letter.
async fn replace_password(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    hash: &str,
    except: Via,
    meta: &RequestMeta,
) -> Result<(), Error> {
    user::set_password(conn, user, hash).await?;
    tell_of_password(conn, cx, user, except, meta).await
}

/// After a change of the password: whatever else let the user in ends, and they get a letter.
async fn tell_of_password(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    except: Via,
    meta: &RequestMeta,
) -> Result<(), Error> {
    device::forget_all(conn, user).await?;
    session::end_everything(conn, cx, user, except).await?;
    link::void_all(conn, cx, About::User(user)).await?;
    let key = format!("password_changed:{}", meta.request_id);
    letters::tell(conn, cx, user, &key, Template::PasswordChanged, json!({})).await
}

/// Proves an address with a mailed link; gives the address.
///
/// # Errors
/// `LinkExpired`, also when another account proved the address in the meantime.
pub(crate) async fn verify_email(
    room: &Identity,
    token: &str,
    meta: &RequestMeta,
) -> Result<String, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("an address is proven")).await?;
    let (kind, link) = match link::use_up(&mut tx, cx, Kind::Verify, token).await {
        Err(Error::LinkExpired) => (
            Kind::Change,
            link::use_up(&mut tx, cx, Kind::Change, token).await?,
        ),
        link => (Kind::Verify, link?),
    };
    let user = person(link.about)?;
    let before = user::find_view(&mut tx, user)
        .await?
        .and_then(|view| view.email);
    if kind == Kind::Change && before.is_some_and(|old| old != link.email) {
        // written before the address changes, since it goes to the old one
        let key = format!("email_changing:{}", meta.request_id);
        let data = json!({ "new_masked": masked(&link.email) });
        letters::tell(&mut tx, cx, user, &key, Template::EmailChanging, data).await?;
    }
    user::prove_email(&mut tx, cx, user, &link.email).await?;
    audit::Action::new("email.prove", user)
        .record_as(&mut tx, cx, meta, None, &user.to_string())
        .await?;
    tx.commit().await?;
    Ok(link.email)
}

/// Sends the letter that proves the address once more.
pub(crate) async fn resend(room: &Identity, caller: &Caller) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("whose address")).await?;
    let view = user::find_view(&mut tx, user)
        .await?
        .ok_or(Error::NotFound)?;
    tx.commit().await?;
    let Some(email) = view.email.filter(|_| !view.email_verified) else {
        return Ok(());
    };
    throttle::count(cx, throttle::LETTER, &email).await?;
    let mut tx = cx.db.begin(Scope::House("another letter")).await?;
    letters::wish(&mut tx, cx, Wish::Verify, &email, Some(user), view.locale).await?;
    tx.commit().await?;
    Ok(())
}

/// Sends a letter to a new address; once its link is followed the address is the user's.
pub(crate) async fn change_email(
    room: &Identity,
    caller: &Caller,
    email: &str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let email = fold_email(email);
    throttle::count(cx, throttle::LETTERS_OF_NETWORK, &meta.source()).await?;
    throttle::count(cx, throttle::LETTER, &email).await?;
    let mut tx = cx.db.begin(Scope::House("another address")).await?;
    let view = user::find_view(&mut tx, user)
        .await?
        .ok_or(Error::NotFound)?;
    letters::wish(&mut tx, cx, Wish::Change, &email, Some(user), view.locale).await?;
    audit::Action::new("email.change", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

fn person(about: About) -> Result<UserId, Error> {
    match about {
        About::User(user) => Ok(user),
        About::Invitation(_) => Err(Error::LinkExpired),
    }
}

/// An address that its owner recognises and nobody else learns.
pub(crate) fn masked(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let start: String = local.chars().take(1).collect();
    format!("{start}…@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_is_recognised_and_tells_little() {
        assert_eq!(masked("taro@example.jp"), "t…@example.jp");
        assert_eq!(masked("あ@例え.jp"), "あ…@例え.jp");
    }
}
