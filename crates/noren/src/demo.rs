use anyhow::Result;
use identity::{Error, Identity, NewUser, RequestMeta, Session, SignedIn};
use kernel::{Lang, Text};
use serde::{Deserialize, Serialize};

use crate::house::House;

/// Whom a visitor of the demo can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DemoRole)]
pub(crate) enum Role {
    Guest,
    Free,
    Paid,
    Vip,
    Operator,
}

impl Role {
    const USERS: [Self; 4] = [Self::Free, Self::Paid, Self::Vip, Self::Operator];

    /// The demo user's address; none for a guest. The domain is reserved for examples (RFC 2606).
    const fn email(self) -> Option<&'static str> {
        match self {
            Self::Guest => None,
            Self::Free => Some("free@demo.example"),
            Self::Paid => Some("paid@demo.example"),
            Self::Vip => Some("vip@demo.example"),
            Self::Operator => Some("operator@demo.example"),
        }
    }

    const fn title(self) -> Text {
        match self {
            Self::Guest => Text::new("ゲスト", "Guest"),
            Self::Free => Text::new("無料会員", "Member"),
            Self::Paid => Text::new("なじみ（有料）", "Regular (paid)"),
            Self::Vip => Text::new("VIP", "VIP"),
            Self::Operator => Text::new("運営者", "Operator"),
        }
    }

    /// The plan at Misaki that the demo user is put on; none for the default.
    const fn plan(self) -> Option<&'static str> {
        match self {
            Self::Guest | Self::Free | Self::Operator => None,
            Self::Paid => Some("paid"),
            Self::Vip => Some("vip"),
        }
    }
}

/// A demo user as printed and shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DemoLogin)]
pub(crate) struct Login {
    r#as: Role,
    pub(crate) email: &'static str,
    pub(crate) password: String,
    title: Text,
}

/// The demo users with their passwords.
pub(crate) fn logins(identity: &Identity) -> Vec<Login> {
    Role::USERS
        .into_iter()
        .filter_map(|role| {
            let email = role.email()?;
            Some(Login {
                r#as: role,
                email,
                password: identity.demo_password(email),
                title: role.title(),
            })
        })
        .collect()
}

/// Makes the demo users that are missing and puts them on their plans.
pub(crate) async fn seed(house: &House) -> Result<()> {
    let meta = RequestMeta::of_the_house("req_seed");
    for role in Role::USERS {
        let Some(email) = role.email() else { continue };
        let new = NewUser {
            email: email.to_owned(),
            password: house.identity.demo_password(email).into(),
            display_name: Some(role.title().ja.into_owned()),
            locale: Lang::Ja,
        };
        let operates = role == Role::Operator;
        let tenant = match identity::add_user(&house.identity, new, operates, &meta).await {
            Ok(principal) => principal.tenant,
            Err(Error::EmailTaken) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(plan) = role.plan() {
            entitlement::assign(&house.identity.cx, tenant, misaki::STOREFRONT, plan).await?;
        }
    }
    Ok(())
}

/// Comes in as a demo user, by the door that everyone takes.
pub(crate) async fn enter(
    identity: &Identity,
    role: Role,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<SignedIn, Error> {
    match role.email() {
        Some(email) => {
            identity::sign_in(
                identity,
                email,
                identity.demo_password(email).into(),
                before,
                meta,
            )
            .await
        }
        None => Ok(SignedIn::Session(identity::guest(identity, meta).await?)),
    }
}
