mod store;

use db::{Ctx, Scope};
use kernel::Lang;
use mail::{Letter, Template};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Error, Identity, KeyId, TenantId, UserId,
    link::{self, About, Kind},
    user,
};

/// What somebody wants a letter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A new account's address is to be confirmed.
    Register,
    /// The same, once more.
    Verify,
    /// The password was forgotten.
    Reset,
    /// Another address is to be used.
    Change,
}

impl Wish {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Change => "change",
        }
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "register" => Self::Register,
            "verify" => Self::Verify,
            "change" => Self::Change,
            _ => Self::Reset,
        }
    }
}

/// One wish as it waits.
#[derive(Debug)]
struct Waiting {
    id: Uuid,
    wish: Wish,
    email: String,
    user: Option<UserId>,
    lang: Lang,
}

/// Writes a wish down in the caller's transaction. What becomes of it depends on whether the address has an account,
/// and is decided by [`write_letters`], so that neither the answer nor its time tells.
pub(crate) async fn wish(
    conn: &mut PgConnection,
    cx: &Ctx,
    wish: Wish,
    email: &str,
    user: Option<UserId>,
    lang: Lang,
) -> Result<(), Error> {
    let waiting = Waiting {
        id: cx.ids.new_id(),
        wish,
        email: email.to_owned(),
        user,
        lang,
    };
    store::insert(conn, &waiting, cx.clock.now()).await?;
    Ok(())
}

/// Turns wishes into letters, at most so many; says how many there were. Every node may do this at any time.
pub async fn write_letters(room: &Identity, most: i64) -> Result<usize, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("letters wished for")).await?;
    let waiting = store::take(&mut tx, most).await?;
    for one in &waiting {
        answer(&mut tx, room, one).await?;
    }
    tx.commit().await?;
    Ok(waiting.len())
}

async fn answer(conn: &mut PgConnection, room: &Identity, wish: &Waiting) -> Result<(), Error> {
    let cx = &room.cx;
    let known = user::find_by_email(conn, &wish.email).await?;
    let taken = known
        .as_ref()
        .is_some_and(|known| known.verified && Some(known.user) != wish.user);
    let (template, data) = match (wish.wish, wish.user, known) {
        // somebody wanted an address that has an account: its owner is told, and nobody else
        (Wish::Register | Wish::Verify | Wish::Change, ..) if taken => (
            Template::AddressKnown,
            json!({ "link": format!("{}/sign-in", room.account_url) }),
        ),
        (Wish::Register | Wish::Verify, Some(user), _) => {
            let link = link::make(
                conn,
                cx,
                &room.account_url,
                Kind::Verify,
                About::User(user),
                &wish.email,
            )
            .await?;
            let name = user::display_name(conn, user).await?;
            (Template::VerifyEmail, json!({ "name": name, "link": link }))
        }
        (Wish::Change, Some(user), _) => {
            let link = link::make(
                conn,
                cx,
                &room.account_url,
                Kind::Change,
                About::User(user),
                &wish.email,
            )
            .await?;
            (Template::ChangeEmail, json!({ "link": link }))
        }
        (Wish::Reset, _, Some(known)) => {
            let link = link::make(
                conn,
                cx,
                &room.account_url,
                Kind::Reset,
                About::User(known.user),
                &wish.email,
            )
            .await?;
            let name = user::display_name(conn, known.user).await?;
            (
                Template::ResetPassword,
                json!({ "name": name, "link": link }),
            )
        }
        _ => return Ok(()),
    };
    let letter = Letter {
        key: &format!("wish:{}", wish.id),
        to: &wish.email,
        lang: wish.lang,
        template,
        data,
    };
    mail::post(conn, cx, letter).await?;
    Ok(())
}

/// Where to write to somebody.
#[derive(Debug)]
pub struct Addressee {
    pub user: UserId,
    pub email: String,
    pub name: String,
    pub lang: Lang,
}

/// Those who may manage what a tenant pays for, and can be written to; in the caller's transaction, which is the house's.
pub async fn billing_contacts(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<Addressee>> {
    store::managers(conn, tenant).await
}

/// Those of the tenants that somebody belongs to: all but guests'. In the caller's transaction, which is the house's.
pub async fn tenants_with_members(
    conn: &mut PgConnection,
    tenants: &[TenantId],
) -> sqlx::Result<Vec<TenantId>> {
    store::with_members(conn, tenants).await
}

/// Writes to a user at their proven address; without one there is nobody to write to.
pub(crate) async fn tell(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    key: &str,
    template: Template,
    mut data: serde_json::Value,
) -> Result<(), Error> {
    let Some(to) = store::addressee(conn, user).await? else {
        return Ok(());
    };
    if let Some(data) = data.as_object_mut() {
        data.insert("name".to_owned(), to.name.into());
    }
    let letter = Letter {
        key,
        to: &to.email,
        lang: to.lang,
        template,
        data,
    };
    mail::post(conn, cx, letter).await?;
    Ok(())
}

/// Tells those who may manage a tenant's keys that one was found in the open.
pub(crate) async fn key_leaked(
    conn: &mut PgConnection,
    room: &Identity,
    tenant: TenantId,
    key: KeyId,
    hint: &str,
) -> Result<(), Error> {
    for to in store::managers(conn, tenant).await? {
        let letter = Letter {
            key: &format!("key_leaked:{key}:{}", to.user),
            to: &to.email,
            lang: to.lang,
            template: Template::KeyLeaked,
            data: json!({ "name": to.name, "hint": hint }),
        };
        mail::post(conn, &room.cx, letter).await?;
    }
    Ok(())
}
