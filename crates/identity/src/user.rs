mod http;
mod profile;
mod registration;
mod store;

use db::{Ctx, OnConstraint};
use kernel::Lang;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{Error, UserId, secret};

pub use http::entered;
pub(crate) use http::{check_email, check_password, router, with_cookies};
pub use profile::{Me, me};
pub(crate) use registration::insert_from_outside;
pub use registration::{NewUser, Registered, add_user, import_user, register};

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
