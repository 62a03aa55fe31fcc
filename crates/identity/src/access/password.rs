use db::Scope;
use secrecy::SecretString;

use super::{
    family::Entry,
    standing,
    tokens::{Tokens, answer, begin},
};
use crate::{
    Error, Identity, RequestMeta, factor, session::Proof, sign_in, tenant, throttle, user,
};

/// Lets an API client in with the user's password, and the code of a second factor if the account has one.
///
/// Whoever takes this road counts as a guesser like every other: tries are counted where those of the sign-in page are.
///
/// # Errors
/// `WrongCredentials`, `WrongCode` (also when a code is needed and none was sent), `TooManyAttempts`, `Busy`.
pub(super) async fn sign_in_client(
    room: &Identity,
    email: &str,
    password: SecretString,
    code: Option<&str>,
    meta: &RequestMeta,
) -> Result<Tokens, Error> {
    let cx = &room.cx;
    let sign_in::Checked {
        user,
        password: stamp,
    } = sign_in::check_password(room, email, password, meta).await?;
    let mut tx = cx.db.begin(Scope::House("second factor")).await?;
    let asks_for_code = !factor::second_factors(&mut tx, user).await?.is_empty();
    tx.commit().await?;
    let proofs: &[Proof] = if asks_for_code {
        let code = code.ok_or(Error::WrongCode)?;
        sign_in::check_code(room, user, code, meta).await?;
        throttle::give_back(cx, throttle::CODE, &user.to_string()).await?;
        &[Proof::Password, Proof::Code]
    } else {
        &[Proof::Password]
    };
    let mut tx = cx.db.begin(Scope::House("sign-in of a client")).await?;
    if !user::lock_and_compare(&mut tx, user, &stamp).await? {
        return Err(Error::WrongCredentials);
    }
    let tenant = tenant::of_sign_in(&mut tx, user).await?;
    let standing = standing(&mut tx, tenant, user)
        .await?
        .ok_or(Error::Unauthenticated)?;
    let entry = Entry::of_password(tenant, user, proofs, cx.clock.now());
    let (family, token) = begin(&mut tx, cx, entry, meta).await?;
    tx.commit().await?;
    answer(room, family, &[], standing, token).await
}
