use base32::Alphabet;
use db::{Ctx, Scope};
use kernel::Fault;
use serde_json::json;
use sqlx::PgConnection;

use super::store;
use crate::{Caller, Error, Principal, RequestMeta, UserId, audit, secret, tenant};

/// How many codes there are at a time.
const CODES: usize = 10;
/// 80 bits, which are 16 letters and digits.
const BYTES: usize = 10;
const LENGTH: usize = 16;
const GROUP: usize = 4;

/// Makes ten new codes, shown this once; those before are void.
///
/// # Errors
/// `NotFound` without an authenticator, which the codes stand in for.
pub(super) async fn regenerate(
    cx: &Ctx,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<Vec<String>, Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("new recovery codes")).await?;
    // the lock also keeps two at a time from leaving twenty codes
    store::lock_totp(&mut tx, user)
        .await?
        .filter(|kept| kept.confirmed_at.is_some())
        .ok_or(Error::NotFound)?;
    let codes = renew(&mut tx, cx, user).await?;
    audit::Action::new("factor.codes", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(codes)
}

/// Replaces a user's codes in the caller's transaction, which holds the lock on the authenticator.
pub(super) async fn renew(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
) -> Result<Vec<String>, Error> {
    let codes = (0..CODES)
        .map(|_| new_code())
        .collect::<Result<Vec<_>, _>>()?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| secret::hash(code)).collect();
    store::delete_recovery_codes(conn, user).await?;
    store::insert_recovery_codes(conn, user, &hashes, cx.clock.now()).await?;
    Ok(codes.iter().map(|code| grouped(code)).collect())
}

/// Whether the code, as [`read`], is one of the user's that was not used before. Its use is written down: who has lost the
/// authenticator, or has somebody else's codes, does this.
pub(super) async fn accept(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    code: &str,
    meta: &RequestMeta,
) -> Result<bool, Error> {
    let hash = secret::hash(code);
    if !store::use_recovery_code(conn, user, &hash, cx.clock.now()).await? {
        return Ok(false);
    }
    let tenant = tenant::of_sign_in(conn, user).await?;
    let left = store::held(conn, user).await?.recovery_codes;
    audit::Action::new("factor.recover", user)
        .after(json!({ "codes_left": left }))
        .record(conn, cx, meta, Principal::user(tenant, user))
        .await?;
    Ok(true)
}

/// A typed code, without spaces and dashes, in the form that is hashed: upper case, and of letters that look alike the one
/// that codes are made of (Crockford's base 32).
pub(super) fn read(plain: &str) -> Option<String> {
    let code: String = plain
        .chars()
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect();
    (code.len() == LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

fn new_code() -> Result<String, Fault> {
    let bytes: [u8; BYTES] = secret::random()?;
    Ok(base32::encode(Alphabet::Crockford, &bytes))
}

fn grouped(code: &str) -> String {
    let mut shown = String::with_capacity(LENGTH + LENGTH / GROUP);
    for (at, letter) in code.chars().enumerate() {
        if at > 0 && at % GROUP == 0 {
            shown.push('-');
        }
        shown.push(letter);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_written() {
        let code = new_code().unwrap();
        assert_ne!(code, new_code().unwrap());
        let shown = grouped(&code);
        assert_eq!((shown.len(), shown.split('-').count()), (19, 4), "{shown}");
        assert_eq!(read(&shown.replace('-', "")), Some(code.clone()));
        assert_eq!(read(&code.to_lowercase()), Some(code));
        assert_eq!(
            read("o0iIlL1ABCDEFGHJ").as_deref(),
            Some("0011111ABCDEFGHJ")
        );
        for wrong in ["", "ABC", "ABCDABCDABCDABCDA", "ABCDABCDABCDABC!", "あ"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
