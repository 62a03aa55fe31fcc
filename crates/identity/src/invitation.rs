mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use kernel::Lang;
use mail::{Letter, Template};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Error, Granted, Identity, InvitationId, NewSession, Permission, Principal, RequestMeta, Role,
    Session, TenantId, UserId, Via, audit,
    link::{self, About},
    may, session,
    tenant::{self, Kind},
    throttle,
    user::{self, fold_email},
};

pub(crate) use http::router;

/// How long an invitation stands; its links are shorter-lived, and whoever holds one can have another mailed.
const LIFETIME: Duration = Duration::days(7);
/// The most invitations of a tenant that may be open at a time.
const MOST_OPEN: i64 = 100;

/// An open invitation as shown to those who manage the members.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
struct Invitation {
    id: InvitationId,
    email: String,
    role: Role,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// An invitation with what surrounds it.
#[derive(Clone, Debug)]
struct Invited {
    shown: Invitation,
    tenant: TenantId,
    tenant_kind: Kind,
    tenant_name: String,
    inviter_name: String,
    inviter_locale: Lang,
    /// What the inviter is in the tenant by now.
    inviter_role: Option<Role>,
    closed: bool,
}

impl Invited {
    /// Whether it can still be accepted: it waits, its time is not over, and who sent it may still invite to the role.
    fn is_open(&self, now: DateTime<Utc>) -> bool {
        !self.closed
            && self.shown.expires_at > now
            && self
                .inviter_role
                .is_some_and(|role| may_invite(role, self.shown.role))
    }
}

/// Whether somebody who is `by` may invite others to be `role`. Only owners invite those who have power over members.
fn may_invite(by: Role, role: Role) -> bool {
    match by {
        Role::Owner => true,
        Role::Admin => role == Role::Member,
        Role::Guardian => role == Role::Guardian,
        Role::Guest | Role::Member | Role::Child => false,
    }
}

/// The open invitations of the caller's tenant, the newest first.
async fn list(cx: &Ctx, caller: &Granted<may::MembersManage>) -> Result<Vec<Invitation>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin(Scope::House("who is invited")).await?;
    let invited = store::list(&mut tx, caller.principal.tenant, now).await?;
    tx.commit().await?;
    Ok(invited
        .into_iter()
        .filter(|one| one.is_open(now))
        .map(|one| one.shown)
        .collect())
}

/// Invites an address to the caller's tenant; an open invitation of the same address is replaced.
///
/// # Errors
/// `RoleDoesNotFit`, `Forbidden` for a role that the caller may not give, `AlreadyMember`, `TwoGuardians`, `TooMany`,
/// `TooManyAttempts`.
async fn send(
    room: &Identity,
    caller: &Granted<may::MembersManage>,
    email: &str,
    role: Role,
    meta: &RequestMeta,
) -> Result<Invitation, Error> {
    let cx = &room.cx;
    let email = fold_email(email);
    throttle_letters(cx, &email, meta).await?;
    let now = cx.clock.now();
    let mut tx = cx.db.begin(Scope::House("an invitation")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::MembersManage).await?;
    if !by.kind.gives(role) {
        return Err(Error::RoleDoesNotFit);
    }
    if !may_invite(by.role, role) {
        return Err(Error::Forbidden);
    }
    if store::is_member(&mut tx, by.tenant, &email).await? {
        return Err(Error::AlreadyMember);
    }
    // said now rather than to the guest; the constraint decides when the invitation is accepted
    if role == Role::Guardian && store::count_guardians(&mut tx, by.tenant).await? >= 2 {
        return Err(Error::TwoGuardians);
    }
    if let Some(replaced) = store::withdraw_of(&mut tx, by.tenant, &email, now).await? {
        link::void_all(&mut tx, cx, About::Invitation(replaced)).await?;
    }
    if store::count_open(&mut tx, by.tenant, now).await? >= MOST_OPEN {
        return Err(Error::TooMany);
    }
    let invitation = Invitation {
        id: cx.ids.new_id(),
        email,
        role,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    store::insert(&mut tx, &invitation, by.tenant, by.user).await?;
    let invited = store::find(&mut tx, invitation.id)
        .await?
        .ok_or(Error::NotFound)?;
    write(&mut tx, room, &invited).await?;
    audit::Action::new("invitation.send", invitation.id)
        .after(json!({ "role": role }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(invitation)
}

/// Takes an open invitation of the caller's tenant back.
async fn withdraw(
    room: &Identity,
    caller: &Granted<may::MembersManage>,
    id: InvitationId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx
        .db
        .begin(Scope::House("an invitation is withdrawn"))
        .await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::MembersManage).await?;
    let invited = store::find(&mut tx, id)
        .await?
        .filter(|one| one.tenant == by.tenant && one.is_open(cx.clock.now()))
        .ok_or(Error::NotFound)?;
    if !may_invite(by.role, invited.shown.role) {
        return Err(Error::Forbidden);
    }
    store::withdraw(&mut tx, id, cx.clock.now()).await?;
    link::void_all(&mut tx, cx, About::Invitation(id)).await?;
    audit::Action::new("invitation.withdraw", id)
        .before(json!({ "role": invited.shown.role }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// What a link invites to, and whether the link itself is over.
///
/// # Errors
/// `LinkExpired` when the link is unknown or the invitation is over.
async fn view(room: &Identity, token: &str) -> Result<(Invited, bool), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("look at an invitation")).await?;
    let found = find_open(&mut tx, cx, token).await?;
    tx.commit().await?;
    Ok(found)
}

/// Mails a fresh link to the invited address, whoever asks with an old one.
///
/// # Errors
/// `LinkExpired` when the link is unknown or the invitation is over, `TooManyAttempts`.
async fn refresh(room: &Identity, token: &str, meta: &RequestMeta) -> Result<(), Error> {
    let cx = &room.cx;
    let (invited, _) = view(room, token).await?;
    throttle_letters(cx, &invited.shown.email, meta).await?;
    let mut tx = cx.db.begin(Scope::House("a fresh link")).await?;
    // of two fresh links at once the newer one voids the other
    tenant::lock(&mut tx, invited.tenant)
        .await
        .map_err(gone_with_the_tenant)?;
    let (invited, _) = find_open(&mut tx, cx, token).await?;
    write(&mut tx, room, &invited).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets the user whose address was invited into the tenant, and their session act for it. Of twenty at once with the same
/// link one gets in.
///
/// # Errors
/// `LinkExpired`; `OtherAddress`, which leaves the link as it was; `TwoGuardians`, `AlreadyMember`, `TooMany`.
async fn accept(
    room: &Identity,
    caller: &Granted<may::ProfileManage>,
    session: Session,
    token: &str,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    if caller.via != Via::Session(session.id) {
        return Err(Error::Forbidden);
    }
    let mut tx = cx
        .db
        .begin(Scope::House("an invitation is accepted"))
        .await?;
    let (invited, _) = find_open(&mut tx, cx, token).await?;
    // the tenant before its invitations and links, as everywhere, so that nobody waits in a circle
    tenant::lock(&mut tx, invited.tenant)
        .await
        .map_err(gone_with_the_tenant)?;
    link::use_up(&mut tx, cx, link::Kind::Invite, token).await?;
    let invited = store::find(&mut tx, invited.shown.id)
        .await?
        .filter(|one| one.is_open(cx.clock.now()))
        .ok_or(Error::LinkExpired)?;
    let (tenant, role) = (invited.tenant, invited.shown.role);
    let proves = own_address(&mut tx, user, &invited.shown.email).await?;
    tenant::add_member(&mut tx, cx, tenant, user, role).await?;
    store::accept(&mut tx, invited.shown.id, user, cx.clock.now()).await?;
    let by = Principal::user(tenant, user);
    audit::Action::new("invitation.accept", invited.shown.id)
        .after(json!({ "user": user, "role": role }))
        .record(&mut tx, cx, meta, by)
        .await?;
    if proves {
        // the link came by mail, so it proves the address as well as any other
        user::prove_email(&mut tx, cx, user, &invited.shown.email).await?;
        audit::Action::new("email.prove", user)
            .record_as(&mut tx, cx, meta, None, &user.to_string())
            .await?;
    }
    let opened = session::renew(&mut tx, cx, session, tenant, None, meta).await?;
    tx.commit().await?;
    Ok(opened)
}

/// Says whether the user's address, which must be the invited one, is still to be proven.
async fn own_address(conn: &mut PgConnection, user: UserId, invited: &str) -> Result<bool, Error> {
    let view = user::find_view(conn, user).await?.ok_or(Error::NotFound)?;
    if view.email.as_deref() != Some(invited) {
        return Err(Error::OtherAddress);
    }
    if view.email_verified {
        return Ok(false);
    }
    // an address that another account proved is that account's, whoever claims it
    let owner = user::find_by_email(conn, invited)
        .await?
        .filter(|known| known.verified);
    match owner {
        Some(_) => Err(Error::OtherAddress),
        None => Ok(true),
    }
}

/// The invitation behind a link of any age, and whether the link is stale.
async fn find_open(
    conn: &mut PgConnection,
    cx: &Ctx,
    token: &str,
) -> Result<(Invited, bool), Error> {
    let link = link::look_at(conn, cx, link::Kind::Invite, token)
        .await?
        .ok_or(Error::LinkExpired)?;
    let About::Invitation(id) = link.about else {
        return Err(Error::LinkExpired);
    };
    let invited = store::find(conn, id)
        .await?
        .filter(|one| one.is_open(cx.clock.now()))
        .ok_or(Error::LinkExpired)?;
    Ok((invited, link.stale))
}

/// Makes a link and posts the letter that carries it, to the invited address and no other.
async fn write(conn: &mut PgConnection, room: &Identity, invited: &Invited) -> Result<(), Error> {
    let cx = &room.cx;
    let invitation = &invited.shown;
    let link = link::make(
        conn,
        cx,
        &room.account_url,
        link::Kind::Invite,
        About::Invitation(invitation.id),
        &invitation.email,
    )
    .await?;
    let reader = store::locale_of(conn, &invitation.email).await?;
    let letter: Uuid = cx.ids.new_id();
    let letter = Letter {
        key: &format!("invitation:{}:{}", invitation.id, letter.simple()),
        to: &invitation.email,
        lang: reader.unwrap_or(invited.inviter_locale),
        template: Template::Invitation,
        data: json!({
            "tenant": invited.tenant_name, "inviter": invited.inviter_name, "role": invitation.role, "link": link,
        }),
    };
    mail::post(conn, cx, letter).await?;
    Ok(())
}

/// Counted apart from the letters that people ask for themselves, so that inviting somebody again and again does not
/// keep their password's reset from them.
async fn throttle_letters(cx: &Ctx, email: &str, meta: &RequestMeta) -> Result<(), Error> {
    throttle::count(cx, throttle::LETTERS_OF_NETWORK, &meta.source()).await?;
    throttle::count(cx, throttle::LETTER, &format!("invitation:{email}")).await
}

fn gone_with_the_tenant(error: Error) -> Error {
    match error {
        Error::NotFound => Error::LinkExpired,
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_invite_owners_and_admins() {
        use Role::{Admin, Child, Guardian, Guest, Member, Owner};
        for (by, invited) in [
            (Owner, vec![Owner, Admin, Member]),
            (Admin, vec![Member]),
            (Guardian, vec![Guardian]),
            (Member, vec![]),
            (Child, vec![]),
            (Guest, vec![]),
        ] {
            let may: Vec<Role> = [Owner, Admin, Member, Guardian]
                .into_iter()
                .filter(|role| by != Owner || *role != Guardian)
                .filter(|role| may_invite(by, *role))
                .collect();
            assert_eq!(may, invited, "{by:?}");
        }
    }

    #[test]
    fn an_invitation_stands_for_its_time_and_as_long_as_its_sender_may_invite() {
        let now = DateTime::UNIX_EPOCH;
        let invited = Invited {
            shown: Invitation {
                id: InvitationId(Uuid::nil()),
                email: "a@example.test".into(),
                role: Role::Admin,
                created_at: now,
                expires_at: now + LIFETIME,
            },
            tenant: TenantId(Uuid::nil()),
            tenant_kind: Kind::Team,
            tenant_name: "Team".into(),
            inviter_name: "Owner".into(),
            inviter_locale: Lang::Ja,
            inviter_role: Some(Role::Owner),
            closed: false,
        };
        assert!(invited.is_open(now + LIFETIME - Duration::seconds(1)));
        assert!(!invited.is_open(now + LIFETIME));
        let with = |f: &dyn Fn(&mut Invited)| {
            let mut one = invited.clone();
            f(&mut one);
            one.is_open(now)
        };
        assert!(!with(&|one| one.closed = true));
        assert!(!with(&|one| one.inviter_role = Some(Role::Admin)));
        assert!(!with(&|one| one.inviter_role = None));
    }
}
