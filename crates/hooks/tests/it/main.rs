//! Events on a real server.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod delivering;

use db::Scope;
use hooks::EventType;
use identity::TenantId;
use serde_json::json;
use testkit::TestCtx;
use uuid::Uuid;

/// A tenant with an endpoint that wants to hear of these; of all when there are none.
async fn tenant(test: &TestCtx, wants: &[&str]) -> TenantId {
    let mut owner = test.database.owner().await;
    let tenant: TenantId = test.cx.ids.new_id();
    sqlx::query("insert into identity.tenant (id, kind, created_at) values ($1, 'team', $2)")
        .bind(tenant.0)
        .bind(test.cx.clock.now())
        .execute(&mut owner)
        .await
        .unwrap();
    let wants: Vec<String> = wants.iter().map(|&one| one.to_owned()).collect();
    let hook: Uuid = test.cx.ids.new_id::<hooks::HookId>().0;
    sqlx::query(
        "insert into hooks.endpoint (id, tenant_id, url, event_types, description, secret, created_at)
         values ($1, $2, 'https://told.example/', $3, '', 'x', $4)",
    )
    .bind(hook)
    .bind(tenant.0)
    .bind(wants)
    .bind(test.cx.clock.now())
    .execute(&mut owner)
    .await
    .unwrap();
    tenant
}

/// Events, deliveries and jobs, as they are kept.
async fn kept(test: &TestCtx) -> (i64, i64, i64) {
    let mut owner = test.database.owner().await;
    sqlx::query_as(
        "select (select count(*) from hooks.event), (select count(*) from hooks.delivery), (select count(*) from jobs.job)",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_is_taken_back_is_not_told() {
    let test = testkit::context().await;
    let tenant = tenant(&test, &[]).await;
    for (is_kept, counts) in [(false, (0, 0, 0)), (true, (1, 1, 1))] {
        let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
        let fact = json!({ "id": "run_1" });
        hooks::emit(&mut tx, &test.cx, tenant, EventType::RunCompleted, &fact)
            .await
            .unwrap();
        if is_kept {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        assert_eq!(kept(&test).await, counts);
    }
}

#[tokio::test]
async fn of_many_facts_each_goes_to_those_who_want_it() {
    let test = testkit::context().await;
    let all = tenant(&test, &[]).await;
    let failures = tenant(&test, &["run.failed"]).await;
    let nobody: TenantId = test.cx.ids.new_id();
    let facts = [
        (all, EventType::RunCompleted, 1),
        (failures, EventType::RunCompleted, 2),
        (nobody, EventType::RunFailed, 3),
        (failures, EventType::RunFailed, 4),
    ];
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    hooks::emit_all(&mut tx, &test.cx, &facts, |fact| json!({ "n": fact }))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut owner = test.database.owner().await;
    let told: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "select e.tenant_id, e.type, (e.payload ->> 'n')::bigint from hooks.event e join hooks.delivery d on d.event_id = e.id
         order by 3",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        told,
        [
            (all.0, "run.completed".to_owned(), 1),
            (failures.0, "run.failed".to_owned(), 4)
        ]
    );
}
