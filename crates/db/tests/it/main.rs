//! The database room on a real server.

use db::{Commit, Scope};
use kernel::FaultKind;
use sqlx::{Connection, Row};
use uuid::Uuid;

#[tokio::test]
async fn a_connection_given_back_inside_a_transaction_is_rolled_back() {
    let test = testkit::context().await;
    let mut owner = test.database.owner().await;
    // drop `begin` half way, as a client that hangs up does, at every place that there is
    for round in 0..80 {
        let mut begin = Box::pin(test.cx.db.begin(Scope::House("test")));
        poll_times(&mut begin, 1 + round % 8).await;
        drop(begin);
        let given_back = || {
            let (open, idle) = test.cx.db.connections();
            usize::try_from(open).unwrap() == idle
        };
        while !given_back() {
            tokio::task::yield_now().await;
        }
        let stale: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and usename = 'noren_app' and state like 'idle in transaction%'",
        )
        .fetch_one(&mut owner)
        .await
        .unwrap();
        assert_eq!(stale, 0, "dropped after {} polls", 1 + round % 8);
    }
}

#[tokio::test]
async fn without_a_scope_nothing_is_visible_and_with_one_only_its_own_rows() {
    let test = testkit::context().await;
    let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut house = test.cx.db.begin(Scope::House("test")).await.unwrap();
    for tenant in [a, b] {
        sqlx::query(
            "insert into identity.tenant (id, kind, created_at) values ($1, 'person', now())",
        )
        .bind(tenant)
        .execute(&mut *house)
        .await
        .unwrap();
    }
    house.commit().await.unwrap();

    let mut tx = test
        .cx
        .db
        .begin(Scope::Tenant {
            tenant: a,
            user: None,
        })
        .await
        .unwrap();
    let seen: Vec<Uuid> = sqlx::query_scalar("select id from identity.tenant")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert_eq!(seen, [a]);
    let refused = sqlx::query(
        "insert into ledger.account (id, tenant_id, unit, kind) values ($1, $2, 'chat', 'held')",
    )
    .bind(Uuid::from_u128(3))
    .bind(b)
    .execute(&mut *tx)
    .await
    .unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().unwrap(),
        "42501",
        "no writing into another tenant"
    );
    tx.rollback().await.unwrap();

    let app = db::app_url(test.database.owner_url()).unwrap();
    let mut bare = sqlx::PgConnection::connect(secrecy::ExposeSecret::expose_secret(&app))
        .await
        .unwrap();
    let refused = sqlx::query("select id from identity.tenant")
        .fetch_all(&mut bare)
        .await
        .unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().unwrap(),
        "42501",
        "no role, no rows"
    );
}

#[tokio::test]
async fn every_table_is_under_forced_row_level_security_and_every_view_asks_as_its_reader() {
    let test = testkit::context().await;
    let mut owner = test.database.owner().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'public')
           and n.nspname not like 'pg_%' and not (c.relrowsecurity and c.relforcerowsecurity)",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new());
    let views: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'v' and n.nspname = 'audit'
           and not coalesce(c.reloptions @> array['security_invoker=true'], false)",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(views, Vec::<String>::new());
    let app = sqlx::query(
        "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = 'noren_app'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(!app.get::<bool, _>(0) && !app.get::<bool, _>(1) && !app.get::<bool, _>(2));
    let definers: Vec<String> =
        sqlx::query_scalar("select oid::regproc::text from pg_proc where prosecdef order by 1")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(
        definers,
        [
            "gateway.forget_runs",
            "gateway.forget_tenant",
            "gateway.forget_texts",
            "gateway.seal_events",
            "gateway.withdraw",
            "identity.chain_audit",
            "ledger.post_entries",
            "misaki.find"
        ],
        "each function with its owner's rights was reviewed"
    );
}

#[tokio::test]
async fn migrating_twice_and_from_two_nodes_at_once_is_harmless() {
    let test = testkit::context().await;
    let url = test.database.owner_url();
    let (one, two) = tokio::join!(db::migrate(url), db::migrate(url));
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_is_told_from_a_bug() {
    let away = db::Db::connect(
        &secrecy::SecretString::from("postgres://nobody@127.0.0.1:1/none"),
        db::PoolSize(1),
    )
    .await
    .unwrap_err();
    assert!(
        away.to_string()
            .starts_with("the database can't be reached"),
        "{away}"
    );
    assert_eq!(
        db::fault(sqlx::Error::PoolTimedOut).kind,
        FaultKind::Unavailable
    );
    assert_eq!(
        db::fault(sqlx::Error::RowNotFound).kind,
        FaultKind::Internal
    );
}

/// Polls a future whenever it is woken, so many times at most.
async fn poll_times<F: Future + Unpin>(future: &mut F, times: usize) {
    let mut left = times;
    std::future::poll_fn(|cx| {
        left -= 1;
        match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Pending if left > 0 => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(()),
        }
    })
    .await;
}

#[tokio::test]
async fn only_what_says_so_commits_without_waiting_for_the_disk() {
    let test = testkit::context().await;
    // the cluster of the tests waits for nothing by itself
    sqlx::query("do $$ begin execute format('alter database %I set synchronous_commit = on', current_database()); end $$")
        .execute(&mut test.database.owner().await)
        .await
        .unwrap();
    let db = test.another_node().await;
    for (commit, waits) in [
        (Commit::Soon, "off"),
        (Commit::Durable, "on"),
        (Commit::Soon, "off"),
    ] {
        let scope = Scope::House("test");
        let mut tx = db.begin_group(scope, commit).await.unwrap();
        let found: String = sqlx::query_scalar("select current_setting('synchronous_commit')")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(found, waits);
        tx.commit().await.unwrap();
        let mut next = db.begin(scope).await.unwrap();
        let found: String = sqlx::query_scalar("select current_setting('synchronous_commit')")
            .fetch_one(&mut *next)
            .await
            .unwrap();
        assert_eq!(found, "on", "the next borrower of the connection waits");
        next.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_only_reads_can_not_write() {
    let test = testkit::context().await;
    let mut tx = test.cx.db.read(Scope::House("test")).await.unwrap();
    let write = "insert into identity.tenant (id, kind, created_at) values (gen_random_uuid(), 'person', now())";
    let refused = sqlx::query(write).execute(&mut *tx).await.unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().unwrap(),
        "25006"
    );
    drop(tx);
    let mut next = test.cx.db.begin(Scope::House("test")).await.unwrap();
    sqlx::query(write)
        .execute(&mut *next)
        .await
        .expect("the next borrower of the connection may write");
}

#[tokio::test]
async fn a_replica_that_is_away_or_none_is_no_reason_to_refuse_a_read() {
    let test = testkit::context().await;
    let app = db::app_url(test.database.owner_url()).unwrap();
    let nowhere = secrecy::SecretString::from("postgres://127.0.0.1:1/noren");
    // the primary itself replays nothing, so a position there would say nothing
    for replica in [&nowhere, test.database.owner_url()] {
        let node = test.another_node().await;
        let db = node.with_replica(replica, &app, db::PoolSize(2)).await;
        let db = db.unwrap();
        for _ in 0..2 {
            let mut tx = db.read(Scope::House("test")).await.unwrap();
            let is_replica: bool = sqlx::query_scalar("select pg_is_in_recovery()")
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert!(!is_replica);
        }
    }
}
