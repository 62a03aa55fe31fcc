//! The words of runs: sealed where they lie, opened for who may read them, and never readable in the database.

use gateway::{
    Ask, Terms, WalkFrom,
    history::{self, Filter, HistoryItem},
};
use kernel::{Cursor, Page, PageRequest};
use llm::ChatRequest;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::{
    batched::{Shop, chat, jobs_of},
    *,
};

const HERE: &str = "misaki";
/// Nobody else says this.
const WORD: &str = "蛍袋";
const LONG: Duration = Duration::from_mins(1);

impl Bar {
    /// A run that the history shows, once it has ended.
    async fn told(&self, text: &str) -> RunId {
        let ask = Ask {
            purpose: "misaki.chat".to_owned(),
            model: None,
            request: ChatRequest {
                messages: vec![Message::user(text)],
                ..ChatRequest::default()
            },
            id: None,
            terms: Terms {
                is_shown: true,
                ..Terms::default()
            },
        };
        let (admitted, view) = gateway::begin(&self.room, &self.caller, ask).await.unwrap();
        gateway::launch(&self.room, admitted);
        self.ended(view.id).await;
        view.id
    }

    async fn listed(&self, text: Option<&str>, after: Option<Cursor>) -> Page<HistoryItem> {
        let filter = Filter {
            text: text.map(str::to_owned),
            ..Filter::default()
        };
        let page = PageRequest { limit: 100, after };
        history::list(&self.room, self.caller.principal, HERE, &filter, &page)
            .await
            .unwrap()
    }

    async fn owner(&self) -> PgConnection {
        self.test.database.owner().await
    }

    async fn do_as_owner(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.owner().await)
            .await
            .unwrap();
    }

    /// How many rows are not sealed under the first key of these.
    async fn otherwise(&self, vault: &seal::Vault) -> i64 {
        sqlx::query_scalar(
            "select (select count(*) from gateway.run where output <> '' or substring(sealed_output from 1 for 12) <> $1)
                + (select count(*) from gateway.run_text where sealed is null or substring(sealed from 1 for 12) <> $1)
                + (select count(*) from gateway.run_event where kind = 'delta'
                       and (sealed is null and data <> '{\"text\": \"\"}' or substring(sealed from 1 for 12) <> $1))",
        )
        .bind(vault.prefix().unwrap())
        .fetch_one(&mut self.owner().await)
        .await
        .unwrap()
    }
}

/// Every table where these words can be read, as they are or by their bytes.
async fn readable(owner: &mut PgConnection, words: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'",
    )
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    assert!(tables.len() > 50, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let sql = format!(
            "select count(*) from {table} t where strpos(t::text, $1) > 0 or strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0"
        );
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(words)
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        if count > 0 {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn what_was_asked_and_answered_at_any_door_stands_readable_nowhere() {
    let shop = Shop::open(Duration::from_millis(2)).await;
    let question = format!("{WORD}の話をして");
    let asked = json!({ "model": "small", "messages": [{ "role": "user", "content": question }] });
    let whole = shop.ask("POST", "/v1/chat/completions", &asked).await;
    let answer = whole.pointer("/choices/0/message/content").unwrap();
    let answer: String = answer.as_str().unwrap().chars().take(20).collect();
    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    let body = ("application/json", streamed.to_string().into_bytes());
    shop.call(&shop.bar.room, "POST", "/v1/chat/completions", body)
        .await;
    let kept = json!({ "model": "small", "input": question, "instructions": WORD, "store": true });
    let first = shop.ask("POST", "/v1/responses", &kept).await;
    let next = json!({ "model": "small", "input": "続けて", "previous_response_id": first["id"] });
    shop.ask("POST", "/v1/responses", &next).await;
    let job = json!({ "input": { "prompt": question } });
    let job = shop.ask("POST", "/v2/small/runsync", &job).await;
    assert_eq!(job["status"], "COMPLETED", "{job}");
    let path = shop
        .begin("/v1/chat/completions", &[chat("a", &question)])
        .await;
    let jobs = jobs_of(&shop.bar.room);
    while shop.ask("GET", &path, &Value::Null).await["status"] != "completed" {
        jobs::run_due(&jobs).await.unwrap();
    }

    let mut owner = shop.bar.owner().await;
    for words in [WORD, &answer] {
        assert_eq!(
            readable(&mut owner, words).await,
            Vec::<String>::new(),
            "{words}"
        );
    }
    let batch = shop.ask("GET", &path, &Value::Null).await;
    let lines = shop.results(&batch, "output_file_id").await;
    assert_eq!(lines.len(), 1, "the file is read all the same");
    let response = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    let fetched = shop.ask("GET", &response, &Value::Null).await;
    let said = |response: &Value| (response["output"].clone(), response["instructions"].clone());
    assert_eq!(said(&fetched), (first["output"].clone(), json!(WORD)));

    // under another key, which alone is there then
    let (cx, both) = (&shop.bar.room.cx, keys(&[NEW, OLD]));
    let walked = gateway::reseal_texts(cx, &both, WalkFrom::First, LONG).await;
    assert_eq!(walked.unwrap().resealed.closed, 0);
    let other = node_with_keys(&shop.bar, keys(&[NEW])).await;
    let none = || ("application/json", Vec::new());
    let (status, body) = shop.call(&other, "GET", &response, none()).await;
    assert_eq!(status, 200);
    assert_eq!(said(&serde_json::from_slice(&body).unwrap()), said(&first));
    let file = format!(
        "/v1/files/{}/content",
        batch["output_file_id"].as_str().unwrap()
    );
    let (status, body) = shop.call(&other, "GET", &file, none()).await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), lines[0]);
}

#[tokio::test]
async fn a_row_that_is_put_elsewhere_does_not_open_and_hides_no_other() {
    let bar = Bar::open().await;
    let (one, other, right) = (
        bar.told("一つ目").await,
        bar.told("二つ目").await,
        bar.told("三つ目").await,
    );
    let mut owner = bar.owner().await;
    for sql in [
        "update gateway.run r set sealed_output = o.sealed_output from gateway.run o where (r.id, o.id) in (($1, $2), ($2, $1))",
        "update gateway.run_text r set sealed = o.sealed from gateway.run_text o where (r.run_id, o.run_id) in (($1, $2), ($2, $1))",
        "update gateway.run_event r set sealed = o.sealed from gateway.run_event o
         where (r.run_id, o.run_id) in (($1, $2), ($2, $1)) and r.seq = o.seq",
    ] {
        let swapped = sqlx::query(sql).bind(one.0).bind(other.0);
        swapped.execute(&mut owner).await.unwrap();
    }
    let by = bar.caller.principal;
    for id in [one, other] {
        let run = bar.get(id).await;
        assert!(run.is_closed && run.output.is_empty());
        let found = history::find(&bar.room, by, HERE, id).await.unwrap();
        assert!(found.item.is_closed && found.text.is_none() && found.messages.is_none());
    }
    let listed = bar.listed(None, None).await.items;
    assert_eq!(listed.len(), 3);
    for item in listed {
        let is_shown = item.text_excerpt.is_some() && item.prompt_excerpt.is_some();
        let is_right = item.inference.id == right;
        assert_eq!((item.is_closed, is_shown), (!is_right, is_right));
    }
    assert_eq!(bar.listed(Some("つ目"), None).await.items.len(), 1);
    assert!(!bar.get(right).await.output.is_empty());
}

#[tokio::test]
async fn an_event_that_was_changed_is_told_as_one_that_does_not_open() {
    let shop = Shop::open(Duration::from_millis(2)).await;
    let asked = json!({ "model": "small", "stream": true, "messages": [{ "role": "user", "content": "[long 40] こんばんは" }] });
    let body = |body: &Value| ("application/json", body.to_string().into_bytes());
    let room = &shop.bar.room;
    shop.call(room, "POST", "/v1/chat/completions", body(&asked))
        .await;
    let run = sqlx::query_scalar("select id from gateway.run");
    let run = RunId(run.fetch_one(&mut shop.bar.owner().await).await.unwrap());
    let path = format!("/inference/{run}/result");
    assert!(shop.ask("GET", &path, &Value::Null).await["text"].is_string());
    shop.bar
        .do_as_owner(
            "update gateway.run_event set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) where kind = 'delta';
             update gateway.run set sealed_output = set_byte(sealed_output, 40, get_byte(sealed_output, 40) # 1)",
        )
        .await;
    let none = body(&Value::Null);
    let (status, _) = shop.call(room, "GET", &path, none).await;
    assert_eq!(status.as_u16(), 503);
}

/// Writes the words of all runs as they were written before there was sealing.
async fn unsealed(bar: &Bar, runs: &[(RunId, &str, &str)]) {
    let mut owner = bar.owner().await;
    for (id, asked, answered) in runs {
        let request = json!({ "messages": [{ "role": "user", "text": asked, "images": 0, "tool_calls": [] }], "parameters": {} });
        for (sql, value) in [
            (
                "update gateway.run set output = $2, sealed_output = null where id = $1",
                json!(answered),
            ),
            (
                "update gateway.run_text set request = $2::jsonb, sealed = null where run_id = $1",
                request,
            ),
            (
                "update gateway.run_event set data = $2::jsonb, sealed = null where run_id = $1 and kind = 'delta'",
                json!({ "text": answered }),
            ),
        ] {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            sqlx::query(sql)
                .bind(id.0)
                .bind(text)
                .execute(&mut owner)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_written_before_is_read_and_then_sealed_where_it_lies() {
    let bar = Bar::open().await;
    let (one, other) = (bar.told("一つ目").await, bar.told("二つ目").await);
    let before = [
        (one, "昔の問い\"引用\"", "昔の答え\n二行目"),
        (other, "古い問い", "古い答え"),
    ];
    unsealed(&bar, &before).await;
    bar.do_as_owner("update gateway.run_event set data = '{\"text\": \"\"}' where kind = 'delta' and run_id = (select max(id::text)::uuid from gateway.run)").await;
    let vault = bar.room.identity.vault();
    assert!(bar.otherwise(vault).await > 0);
    let walk = || gateway::reseal_texts(&bar.room.cx, vault, WalkFrom::Where, LONG);
    for is_sealed in [false, true] {
        for (id, asked, answered) in before {
            assert_eq!(bar.get(id).await.output, answered);
            let found = history::find(&bar.room, bar.caller.principal, HERE, id)
                .await
                .unwrap();
            assert_eq!(found.messages.unwrap()[0].text, asked);
        }
        assert_eq!(bar.listed(Some("昔の"), None).await.items.len(), 1);
        assert_eq!(bar.listed(Some("\"引用\""), None).await.items.len(), 1);
        if !is_sealed {
            assert_eq!(gateway::texts_left(&bar.room.cx, vault).await.unwrap(), 2);
            let walked = walk().await.unwrap();
            assert!(walked.is_at_end && walked.resealed.done >= 4, "{walked:?}");
        }
    }
    assert_eq!(bar.otherwise(vault).await, 0);
    assert_eq!(
        readable(&mut bar.owner().await, "昔の").await,
        Vec::<String>::new()
    );
    assert_eq!(walk().await.unwrap().resealed.done, 0, "once");
    bar.test.time.advance(chrono::Duration::days(2));
    walk().await.unwrap();
    assert_eq!(gateway::texts_left(&bar.room.cx, vault).await.unwrap(), 0);
}

const OLD: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const NEW: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

fn keys(them: &[&str]) -> seal::Vault {
    seal::Vault::of_keys(&them.join(",").into()).unwrap()
}

async fn node_with_keys(bar: &Bar, vault: seal::Vault) -> Gateway {
    node_of(&bar.room.cx, Routes::default(), vault).await
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_another_and_a_lost_one_is_told() {
    let bar = Bar::open().await;
    let id = bar.told(&format!("{WORD}の話")).await;
    let said = bar.get(id).await.output;
    let by = bar.caller.principal;
    let (both, new) = (keys(&[NEW, OLD]), keys(&[NEW]));
    let walk = |vault: seal::Vault, from| {
        let cx = bar.room.cx.clone();
        async move {
            gateway::reseal_texts(&cx, &vault, from, LONG)
                .await
                .unwrap()
        }
    };

    let lost = node_with_keys(&bar, new.clone()).await;
    let run = gateway::get(&lost, by, id).await.unwrap();
    assert!(run.is_closed && run.output.is_empty());
    let page = PageRequest {
        limit: 9,
        after: None,
    };
    let listed = history::list(&lost, by, HERE, &Filter::default(), &page).await;
    assert!(listed.unwrap().items[0].is_closed);
    let closed = walk(new.clone(), WalkFrom::Where).await.resealed;
    assert!(closed.closed > 0 && closed.done == 0, "{closed:?}");
    let again = walk(new.clone(), WalkFrom::Where).await.resealed;
    assert!(again.closed > 0, "it is not forgotten");

    let resealed = walk(both.clone(), WalkFrom::First).await.resealed;
    assert!(resealed.done > 0 && resealed.closed == 0, "{resealed:?}");
    assert_eq!(bar.otherwise(&new).await, 0);
    let after = node_with_keys(&bar, new).await;
    assert_eq!(gateway::get(&after, by, id).await.unwrap().output, said);
    let found = history::find(&after, by, HERE, id).await.unwrap();
    assert_eq!(found.messages.unwrap()[0].text, format!("{WORD}の話"));
}

#[tokio::test]
async fn without_a_key_nothing_is_asked_and_nothing_is_written() {
    let bar = Bar::open().await;
    let before = bar.stock().await;
    let keyless = Bar {
        room: node_of(&bar.room.cx, Routes::default(), seal::Vault::without_keys()).await,
        ..bar
    };
    let refused = keyless.try_ask("こんばんは").await;
    assert!(matches!(refused, Err(Error::SecretClosed)), "{refused:?}");
    let rows: i64 = sqlx::query_scalar("select count(*) from gateway.run")
        .fetch_one(&mut keyless.owner().await)
        .await
        .unwrap();
    assert_eq!((rows, keyless.stock().await), (0, before));
}

#[tokio::test]
async fn a_search_looks_at_so_many_runs_and_goes_on_from_there() {
    let bar = Bar::open().await;
    let id = bar.told(&format!("{WORD}の話")).await;
    // runs of which nothing is kept, behind which the one lies
    let mut owner = bar.owner().await;
    let mut tx = owner.begin().await.unwrap();
    sqlx::raw_sql(
        "set local session_replication_role = replica;
         insert into gateway.run (id, tenant_id, reservation_id, storefront, route, model, node_id, lease_until, state, created_at, ended_at)
         select gen_random_uuid(), tenant_id, gen_random_uuid(), storefront, route, model, node_id, lease_until, state,
             created_at + n * interval '1 ms', ended_at
         from gateway.run, generate_series(1, 6000) n",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let first = bar.listed(Some(WORD), None).await;
    assert!(first.items.is_empty());
    let cursor = Cursor::decode(&first.next_cursor.unwrap()).unwrap();
    let next = bar.listed(Some(WORD), Some(cursor)).await;
    let found: Vec<RunId> = next.items.iter().map(|item| item.inference.id).collect();
    assert_eq!((found, next.next_cursor), (vec![id], None));
}
