//! Where a user is signed in: the browsers that have a session, and the API clients that have a family of tokens.

use db::{Ctx, Scope};
use sqlx::PgConnection;

use super::{Ending, View, end_all, store};
use crate::{
    Caller, Error, FamilyId, RequestMeta, SessionId, UserId, Via, access, audit, revocation,
};

/// Where a user is signed in: browsers and API clients, the last used first.
pub(super) async fn list(cx: &Ctx, caller: &Caller) -> Result<Vec<View>, Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("where am I signed in")).await?;
    let mut views = store::list(&mut tx, user, cx.clock.now()).await?;
    views.extend(access::list(&mut tx, user, cx.clock.now()).await?);
    tx.commit().await?;
    let own = match caller.via {
        Via::Session(id) => Some(id.0),
        Via::Token(id) => Some(id.0),
        Via::Key(_) | Via::Outside => None,
    };
    for view in &mut views {
        view.current = Some(view.id.0) == own;
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.last_seen_at));
    Ok(views)
}

/// Ends one of the caller's own sessions or API clients.
pub(super) async fn revoke(
    cx: &Ctx,
    caller: &Caller,
    id: SessionId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("sign out there")).await?;
    let ended = store::revoke_own(&mut tx, user, id, cx.clock.now()).await?
        || access::end_own(&mut tx, cx, user, FamilyId(id.0)).await?;
    if !ended {
        return Err(Error::NotFound);
    }
    revocation::publish(&mut tx, cx, &[id.0]).await?;
    audit::Action::new("session.revoke", id)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Ends all of the caller's sessions and API clients but the one that asks.
pub(super) async fn revoke_others(
    cx: &Ctx,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("sign out elsewhere")).await?;
    end_everything(&mut tx, cx, user, caller.via).await?;
    audit::Action::new("session.revoke_others", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Ends whatever lets a user in, except what this request came with.
pub(crate) async fn end_everything(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    except: Via,
) -> Result<(), Error> {
    let (session, family) = match except {
        Via::Session(id) => (Some(id), None),
        Via::Token(id) => (None, Some(id)),
        Via::Key(_) | Via::Outside => (None, None),
    };
    let which = Ending {
        except: session,
        tenant: None,
    };
    end_all(conn, cx, user, which).await?;
    access::end_all(conn, cx, user, family, None).await
}
