use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use identity::{KeyTerms, NewUser};
use jobs::{Jobs, Registry};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// Somebody with a key, at one node.
pub(super) struct Shop {
    pub(super) bar: Bar,
    secret: String,
    tenant: identity::TenantId,
}

pub(super) fn jobs_of(room: &Gateway) -> Jobs {
    let registry = Registry::default().job::<gateway::RunBatch>(room);
    Jobs::open(room.cx.clone(), registry).unwrap()
}

pub(super) fn chat(name: &str, text: &str) -> Value {
    let body = json!({ "model": "small", "messages": [{ "role": "user", "content": text }] });
    json!({ "custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body })
}

impl Shop {
    pub(super) async fn open(pace: Duration) -> Self {
        let bar = Bar::with_pace(pace).await;
        let meta = RequestMeta::of_the_house("req_test");
        let new = NewUser {
            email: "someone@example.com".to_owned(),
            password: "a long pass phrase".to_owned().into(),
            display_name: None,
            locale: kernel::Lang::En,
        };
        let by = identity::add_user(&bar.room.identity, new, false, &meta)
            .await
            .unwrap();
        let made = identity::create_key(&bar.room.identity, &KeyTerms::named("a key"), by, &meta)
            .await
            .unwrap();
        Self {
            bar,
            secret: made.secret,
            tenant: by.tenant,
        }
    }

    pub(super) async fn call(
        &self,
        room: &Gateway,
        method: &str,
        path: &str,
        (media, body): (&str, Vec<u8>),
    ) -> (StatusCode, Vec<u8>) {
        let (router, _) = gateway::router().with_state(room.clone()).split_for_parts();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-api-key", &self.secret)
            .header("content-type", media)
            .body(Body::from(body))
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, body.to_vec())
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = ("application/json", body.to_string().into_bytes());
        let (status, said) = self.call(&self.bar.room, method, path, body).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
        serde_json::from_slice(&said).unwrap()
    }

    pub(super) async fn read(&self, path: &str) -> Vec<u8> {
        let (status, said) = self
            .call(&self.bar.room, "GET", path, ("text/plain", Vec::new()))
            .await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
        said
    }

    async fn batch(&self, path: &str) -> Value {
        serde_json::from_slice(&self.read(path).await).unwrap()
    }

    async fn upload(&self, text: &str) -> String {
        let form = format!(
            "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{text}\r\n\
             --x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x--\r\n"
        );
        let body = ("multipart/form-data; boundary=x", form.into_bytes());
        let (status, said) = self.call(&self.bar.room, "POST", "/v1/files", body).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
        let file: Value = serde_json::from_slice(&said).unwrap();
        file.pointer("/id")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    }

    /// The path of a new batch of these lines.
    pub(super) async fn begin(&self, endpoint: &str, lines: &[Value]) -> String {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        let file = self.upload(&text.join("\n")).await;
        let wish =
            json!({ "input_file_id": file, "endpoint": endpoint, "completion_window": "24h" });
        let batch = self.ask("POST", "/v1/batches", &wish).await;
        format!(
            "/v1/batches/{}",
            batch.pointer("/id").and_then(Value::as_str).unwrap()
        )
    }

    pub(super) async fn results(&self, batch: &Value, which: &str) -> Vec<Value> {
        let Some(file) = batch[which].as_str() else {
            return Vec::new();
        };
        let text = self.read(&format!("/v1/files/{file}/content")).await;
        let lines = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// available, held, spent, once the node has given back what it set aside for what might come
    async fn stock(&self, room: &Gateway, unit: &str) -> [i64; 3] {
        room.drain(Duration::from_secs(10)).await;
        let scope = db::Scope::House("a test");
        let mut tx = self.bar.room.cx.db.begin(scope).await.unwrap();
        let now = self.bar.room.cx.clock.now();
        let stock = ledger::stock(&mut tx, self.tenant, unit, now)
            .await
            .unwrap();
        [stock.available, stock.held, stock.spent]
    }
}

fn names(lines: &[Value]) -> Vec<&str> {
    let names = lines.iter().map(|line| line["custom_id"].as_str().unwrap());
    names.collect()
}

#[tokio::test]
async fn a_batch_whose_process_died_goes_on_and_answers_each_line_once() {
    let shop = Shop::open(Duration::from_millis(10)).await;
    let lines: Vec<Value> = (0..10)
        .map(|n| chat(&format!("line-{n}"), "[long 8] x"))
        .collect();
    let path = shop.begin("/v1/chat/completions", &lines).await;
    let jobs = jobs_of(&shop.bar.room);
    let worker = tokio::spawn(async move { jobs::run_due(&jobs).await });
    let some_are_done = async {
        while shop.batch(&path).await["request_counts"]["completed"] == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), some_are_done)
        .await
        .unwrap();
    // the process dies: nobody works on the batch any more, and its runs have no node
    worker.abort();
    shop.bar.room.drain(Duration::ZERO).await;
    let half = shop.batch(&path).await;
    assert_eq!(half["status"], "in_progress");
    assert_eq!(half["output_file_id"], Value::Null, "not while it goes on");

    let other = shop.bar.another_node().await;
    // jobs of a process that says nothing are taken by another, and so are its runs
    shop.bar.test.time.advance(jobs::LEASE);
    gateway::rescue(&other, &Judges::new(), 100).await.unwrap();
    jobs::run_due(&jobs_of(&other)).await.unwrap();

    let whole = shop.batch(&path).await;
    assert_eq!(whole["status"], "completed", "{whole}");
    assert_eq!(
        whole["request_counts"],
        json!({ "total": 10, "completed": 10, "failed": 0 })
    );
    let answers = shop.results(&whole, "output_file_id").await;
    let wanted: Vec<String> = (0..10).map(|n| format!("line-{n}")).collect();
    assert_eq!(
        names(&answers),
        wanted,
        "each once, in the order of the file"
    );
    assert!(
        answers
            .iter()
            .all(|line| line["response"]["status_code"] == 200)
    );
    // what the dead process had begun costs nothing; every answer costs one
    assert_eq!(shop.stock(&other, "genai.chat").await[1..], [0, 10]);
    let mut owner = shop.bar.test.database.owner().await;
    let (completed, others): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where state = 'completed'), count(*) filter (where state <> 'completed' and reason <> 'node_lost')
         from gateway.run where door = 'batch'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        (completed, others),
        (10, 0),
        "no answered line was asked twice"
    );
    assert_eq!(ledger::verify(&shop.bar.room.cx).await.unwrap(), []);
}

#[tokio::test]
async fn lines_that_are_wrong_end_in_the_file_of_errors_and_the_others_are_answered() {
    let shop = Shop::open(Duration::ZERO).await;
    let mut unknown = chat("unknown-model", "x");
    unknown["body"]["model"] = json!("nothing");
    let mut elsewhere = chat("elsewhere", "x");
    elsewhere["url"] = json!("/v1/embeddings");
    let text = [
        chat("good", "x").to_string(),
        "{not json".to_owned(),
        String::new(),
        chat("good", "again").to_string(),
        unknown.to_string(),
        elsewhere.to_string(),
        chat("fails", "[fail]").to_string(),
    ];
    let file = shop.upload(&text.join("\n")).await;
    let content = shop.read(&format!("/v1/files/{file}/content")).await;
    assert_eq!(content, text.join("\n").as_bytes(), "to the byte");
    let wish = json!({ "input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h" });
    let batch = shop.ask("POST", "/v1/batches", &wish).await;
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    jobs::run_due(&jobs_of(&shop.bar.room)).await.unwrap();
    let batch = shop.batch(&path).await;
    assert_eq!(batch["status"], "completed");
    assert_eq!(
        batch["request_counts"],
        json!({ "total": 6, "completed": 1, "failed": 5 })
    );
    assert_eq!(
        names(&shop.results(&batch, "output_file_id").await),
        ["good"]
    );
    let errors = shop.results(&batch, "error_file_id").await;
    let told: Vec<(&Value, &Value, &Value)> = errors
        .iter()
        .map(|line| {
            (
                &line["custom_id"],
                &line["response"]["status_code"],
                &line["error"]["code"],
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (&json!(null), &json!(400), &json!("invalid_json_line")),
            (&json!("good"), &json!(400), &json!("duplicate_custom_id")),
            (
                &json!("unknown-model"),
                &json!(404),
                &json!("model_not_found")
            ),
            (
                &json!("elsewhere"),
                &json!(400),
                &json!("invalid_request_error")
            ),
            (&json!("fails"), &json!(502), &json!("upstream_failed")),
        ]
    );
    assert_eq!(shop.stock(&shop.bar.room, "genai.chat").await[1..], [0, 1]);
}

#[tokio::test]
async fn what_has_not_begun_is_called_off_and_what_is_done_stays() {
    let shop = Shop::open(Duration::from_millis(5)).await;
    let mut lines: Vec<Value> = (0..4).map(|n| chat(&format!("first-{n}"), "x")).collect();
    lines.extend((0..20).map(|n| chat(&format!("later-{n}"), "[slow][long 4]")));
    let path = shop.begin("/v1/chat/completions", &lines).await;
    let jobs = jobs_of(&shop.bar.room);
    let worker = tokio::spawn(async move { jobs::run_due(&jobs).await.unwrap() });
    let first_are_done = async {
        while shop.batch(&path).await["request_counts"]["completed"].as_i64() < Some(4) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), first_are_done)
        .await
        .unwrap();
    let called_off = shop
        .ask("POST", &format!("{path}/cancel"), &json!({}))
        .await;
    assert_eq!(called_off["status"], "cancelling");
    tokio::time::timeout(Duration::from_mins(1), worker)
        .await
        .unwrap()
        .unwrap();
    let batch = shop.batch(&path).await;
    assert_eq!(batch["status"], "cancelled");
    let answers = shop.results(&batch, "output_file_id").await;
    let errors = shop.results(&batch, "error_file_id").await;
    assert!(answers.len() >= 4 && !errors.is_empty());
    assert_eq!(
        answers.len() + errors.len(),
        lines.len(),
        "each line has its end"
    );
    assert!(
        errors
            .iter()
            .all(|line| line["error"]["code"] == "batch_cancelled")
    );
    let spent = i64::try_from(answers.len()).unwrap();
    assert_eq!(
        shop.stock(&shop.bar.room, "genai.chat").await[1..],
        [0, spent]
    );
}

#[tokio::test]
async fn vectors_and_responses_are_answered_too_and_a_day_is_the_end() {
    let shop = Shop::open(Duration::ZERO).await;
    let line = |name: &str, url: &str, body: Value| json!({ "custom_id": name, "method": "POST", "url": url, "body": body });
    let vectors = line(
        "v",
        "/v1/embeddings",
        json!({ "model": "vectors", "input": ["a", "b"] }),
    );
    let said = line(
        "r",
        "/v1/responses",
        json!({ "model": "small", "input": "x" }),
    );
    let paths = [
        shop.begin("/v1/embeddings", &[vectors]).await,
        shop.begin("/v1/responses", &[said]).await,
    ];
    let jobs = jobs_of(&shop.bar.room);
    jobs::run_due(&jobs).await.unwrap();
    let batch = shop.batch(&paths[0]).await;
    let answers = shop.results(&batch, "output_file_id").await;
    assert_eq!(
        answers[0]["response"]["body"]["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let tokens = batch["usage"]["total_tokens"].as_i64();
    let mut owner = shop.bar.test.database.owner().await;
    let billed: Option<i64> = sqlx::query_scalar(
        "select sum(amount)::bigint from entitlement.usage where unit = 'genai.embedding_token'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(
        billed == tokens && tokens > Some(0),
        "{billed:?} {tokens:?}"
    );
    let batch = shop.batch(&paths[1]).await;
    let answers = shop.results(&batch, "output_file_id").await;
    assert_eq!(answers[0]["response"]["body"]["object"], "response");
    let id = answers[0]["response"]["body"]["id"].as_str().unwrap();
    assert_eq!(
        shop.batch(&format!("/v1/responses/{id}")).await["status"],
        "completed"
    );

    let late = shop
        .begin("/v1/chat/completions", &[chat("late", "x")])
        .await;
    shop.bar.test.time.advance(chrono::Duration::hours(24));
    jobs::run_due(&jobs).await.unwrap();
    let batch = shop.batch(&late).await;
    assert_eq!(batch["status"], "expired");
    let errors = shop.results(&batch, "error_file_id").await;
    assert_eq!(errors[0]["error"]["code"], "batch_expired");
    // and the results go in their turn
    shop.bar.test.time.advance(chrono::Duration::days(30));
    assert!(gateway::forget_files(&shop.bar.room, 100).await.unwrap() > 0);
    let (files, lines): (i64, i64) = sqlx::query_as(
        "select (select count(*) from gateway.file), (select count(*) from gateway.file_line)",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!((files, lines), (0, 0));
}
