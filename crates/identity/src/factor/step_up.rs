use db::Scope;
use secrecy::SecretString;
use webauthn_rs::prelude::PublicKeyCredential;

use super::{Method, accept_code, passkey, second_factors};
use crate::{
    Caller, Error, Identity, NewSession, Permission, RequestMeta, Session, UserId, session::Proof,
    sign_in, throttle,
};

/// What somebody who is signed in brings to prove once more who they are.
#[derive(Debug)]
pub(super) enum Brought {
    Password(SecretString),
    Code(String),
    Passkey {
        ceremony: String,
        answer: Box<PublicKeyCredential>,
    },
}

/// Takes a proof and carries the session over to a new cookie, which may do sensitive things for a quarter of an hour.
///
/// # Errors
/// `Forbidden` for guests and children, who have nothing sensitive to do; `StepUpRequired` for a password where a second
/// factor is set up: it proves less than the sign-in did. Else what is wrong with the proof.
pub(super) async fn step_up(
    room: &Identity,
    session: Session,
    brought: Brought,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let caller = Caller::from(session);
    if !caller.may(Permission::ProfileManage) {
        return Err(Error::Forbidden);
    }
    let user = caller.person()?;
    let proof = match brought {
        Brought::Password(password) => {
            // refused before it is looked at, so that this is no place to try passwords
            if !password_is_enough(&asked_for(room, user).await?) {
                return Err(Error::StepUpRequired);
            }
            sign_in::confirm_password(room, user, password).await?;
            Proof::Password
        }
        Brought::Code(code) => {
            confirm_code(room, user, &code, meta).await?;
            Proof::Code
        }
        Brought::Passkey { ceremony, answer } => {
            passkey::confirm(room, user, &ceremony, &answer, meta).await?;
            Proof::Passkey
        }
    };
    sign_in::step_up(room, session, proof, meta).await
}

async fn asked_for(room: &Identity, user: UserId) -> Result<Vec<Method>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("step up")).await?;
    let methods = second_factors(&mut tx, user).await?;
    tx.commit().await?;
    Ok(methods)
}

fn password_is_enough(second_factors: &[Method]) -> bool {
    second_factors.is_empty()
}

async fn confirm_code(
    room: &Identity,
    user: UserId,
    code: &str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    throttle::count(cx, throttle::CODE, &user.to_string()).await?;
    if !accept_code(room, user, code, meta).await? {
        return Err(Error::WrongCode);
    }
    throttle::give_back(cx, throttle::CODE, &user.to_string()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_steps_up_only_where_it_is_all_that_signs_in() {
        assert!(password_is_enough(&[]));
        assert!(!password_is_enough(&[Method::Totp]));
        assert!(!password_is_enough(&[
            Method::Totp,
            Method::Recovery,
            Method::Passkey
        ]));
    }
}
