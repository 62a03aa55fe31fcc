mod store;

use db::{Ctx, OnConstraint, Scope};
use kernel::Lang;
use secrecy::SecretString;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    Error, Identity, NewSession, Principal, RequestMeta, Session, TenantId, UserId, audit, session,
};

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
    /// `null` for a guest.
    #[schema(required)]
    pub user: Option<UserView>,
    pub tenant: TenantView,
    pub guest: bool,
}

/// A user as shown to itself.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    pub id: UserId,
    pub email: String,
    pub display_name: String,
    pub locale: Lang,
}

/// The tenant that the caller acts for.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TenantView {
    pub id: TenantId,
    /// person, family, school or team.
    pub kind: String,
}

/// Makes a user with a personal tenant and opens a session; all of it commits together or not at all.
///
/// A guest becomes the user: the guest's tenant turns into the personal one, so chats and what is left of the
/// quota stay where they are. The guest's session ends.
pub async fn register(
    room: &Identity,
    new: NewUser,
    guest: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let email = fold_email(&new.email);
    let hash = room.passwords.hash(new.password).await?;
    let display_name = new
        .display_name
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| {
            email
                .split('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(50)
                .collect()
        });
    let user = UserView {
        id: cx.ids.new_id(),
        email,
        display_name,
        locale: new.locale,
    };

    let mut tx = cx.db.begin(Scope::House("registration")).await?;
    store::insert(&mut tx, &user, &hash, cx.clock.now())
        .await
        .on_constraint("user_email_key", || Error::EmailTaken)?;
    let tenant = match guest.filter(|session| session.principal.user.is_none()) {
        Some(session) => {
            session::replace(&mut tx, cx, session).await?;
            session.principal.tenant
        }
        None => new_tenant(&mut tx, cx).await?,
    };
    store::insert_owner(&mut tx, tenant, user.id, cx.clock.now()).await?;
    let principal = Principal {
        tenant,
        user: Some(user.id),
    };
    audit::record(
        &mut tx,
        cx,
        meta,
        principal,
        "user.register",
        &user.id.to_string(),
    )
    .await?;
    let opened = session::open(&mut tx, cx, principal, meta).await?;
    tx.commit().await?;
    Ok(opened)
}

/// Opens a session for whoever knows the password. An unknown address takes as long and says the same.
pub async fn sign_in(
    room: &Identity,
    email: &str,
    password: SecretString,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("sign-in")).await?;
    let known = store::find_credentials(&mut tx, &fold_email(email)).await?;
    tx.commit().await?;

    let hash = known.as_ref().and_then(|known| known.password_hash.clone());
    let right = room.passwords.verify(password, hash).await?;
    let Some(known) = known.filter(|_| right) else {
        return Err(Error::WrongCredentials);
    };

    let mut tx = cx.db.begin(Scope::House("sign-in")).await?;
    if let Some(before) = before {
        session::replace(&mut tx, cx, before).await?;
    }
    let opened = session::open(
        &mut tx,
        cx,
        Principal {
            tenant: known.tenant,
            user: Some(known.user),
        },
        meta,
    )
    .await?;
    tx.commit().await?;
    Ok(opened)
}

/// Who the caller is.
pub async fn me(room: &Identity, principal: Principal) -> Result<Me, Error> {
    let mut tx = room.cx.db.begin(principal.scope()).await?;
    let user = match principal.user {
        Some(id) => store::find(&mut tx, id).await?,
        None => None,
    };
    let kind = store::tenant_kind(&mut tx, principal.tenant)
        .await?
        .ok_or(Error::Unauthenticated)?;
    tx.commit().await?;
    Ok(Me {
        guest: user.is_none(),
        user,
        tenant: TenantView {
            id: principal.tenant,
            kind,
        },
    })
}

/// The time zone (IANA name) in which a tenant's days and months begin.
pub async fn tenant_zone(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Option<String>> {
    store::tenant_zone(conn, tenant).await
}

/// Whether a text can be an address: one `@` with something on both sides, no spaces, at most 254 characters
/// (RFC 5321 §4.5.3.1). Whether it exists only a letter can tell.
pub fn email_is_plausible(email: &str) -> bool {
    let email = email.trim();
    let parts = email.split_once('@');
    email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty() && domain.len() >= 2 && !domain.contains('@')
        })
}

/// A personal tenant.
pub(crate) async fn new_tenant(conn: &mut PgConnection, cx: &Ctx) -> sqlx::Result<TenantId> {
    let tenant = cx.ids.new_id();
    store::insert_tenant(conn, tenant, cx.clock.now()).await?;
    Ok(tenant)
}

fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

#[derive(Debug)]
struct Credentials {
    user: UserId,
    tenant: TenantId,
    password_hash: Option<String>,
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
