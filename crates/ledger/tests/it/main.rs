//! The ledger on a real server: LED-1 to LED-8.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod books;
mod races;
mod schedule;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope, Tx};
use identity::TenantId;
use ledger::{Error, Grant, HoldId, NewHold, Source};
use testkit::TestCtx;
use uuid::Uuid;

const UNIT: &str = "chat";

/// A tenant of its own.
async fn tenant(test: &TestCtx) -> TenantId {
    let id: TenantId = test.cx.ids.new_id();
    let mut owner = test.database.owner().await;
    sqlx::query("insert into identity.tenant (id, kind, created_at) values ($1, 'person', now())")
        .bind(id)
        .execute(&mut owner)
        .await
        .unwrap();
    id
}

async fn begin(cx: &Ctx, tenant: TenantId) -> Tx {
    cx.db
        .begin(Scope::Tenant {
            tenant: tenant.0,
            user: None,
        })
        .await
        .unwrap()
}

async fn grant(
    cx: &Ctx,
    tenant: TenantId,
    id: Uuid,
    amount: i64,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let mut tx = begin(cx, tenant).await;
    let new = Grant {
        id,
        tenant,
        unit: UNIT,
        amount,
        source: Source::Free,
        priority: 0,
        reason: "test",
        expires_at,
    };
    ledger::grant(&mut tx, cx, &new).await?;
    tx.commit().await?;
    Ok(())
}

async fn hold(cx: &Ctx, tenant: TenantId, amount: i64) -> Result<HoldId, Error> {
    let mut tx = begin(cx, tenant).await;
    let id = cx.ids.new_id();
    let expires_at = cx.clock.now() + Duration::minutes(1);
    ledger::hold(
        &mut tx,
        cx,
        &NewHold {
            id,
            tenant,
            unit: UNIT,
            amount,
            reference: "test",
            expires_at,
        },
    )
    .await?;
    tx.commit().await?;
    Ok(id)
}

async fn settle(cx: &Ctx, tenant: TenantId, id: HoldId, used: i64) -> Result<(), Error> {
    let mut tx = begin(cx, tenant).await;
    ledger::settle(&mut tx, cx, id, used).await?;
    tx.commit().await?;
    Ok(())
}

async fn release(cx: &Ctx, tenant: TenantId, id: HoldId) -> Result<(), Error> {
    let mut tx = begin(cx, tenant).await;
    ledger::release(&mut tx, cx, id).await?;
    tx.commit().await?;
    Ok(())
}

/// available, held, spent, expired, issued
async fn balances(cx: &Ctx, tenant: TenantId) -> [i64; 5] {
    let mut tx = begin(cx, tenant).await;
    let balances = ledger::balances(&mut tx, tenant, UNIT).await.unwrap();
    tx.commit().await.unwrap();
    let of = |kind: &str| {
        balances
            .iter()
            .find(|b| b.account == kind)
            .map_or(0, |b| b.balance)
    };
    [
        of("available"),
        of("held"),
        of("spent"),
        of("expired"),
        of("issued"),
    ]
}

async fn assert_books_are_right(cx: &Ctx) {
    assert_eq!(ledger::verify(cx).await.unwrap(), []);
}
