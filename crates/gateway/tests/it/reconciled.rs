use std::collections::BTreeMap;

use gateway::{Export, Reconciled};

use super::*;

const VECTORS: &str = "sandbox-embedding";

impl Bar {
    async fn against(&self, export: &str) -> Reconciled {
        let export = Export::read(export.as_bytes()).unwrap();
        let models = BTreeMap::from([
            ("sandbox-small".to_owned(), Use::Chat),
            (VECTORS.to_owned(), Use::Embedding),
        ]);
        gateway::reconcile(&self.room.cx, &export, &models)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_export_is_compared_to_the_token() {
    let bar = Bar::open().await;
    let first = bar.ended(bar.ask("こんばんは").await).await;
    let second = bar.ended(bar.ask("[long 20]").await).await;
    let day = first.created_at.date_naive();
    assert_eq!(
        day,
        second.created_at.date_naive(),
        "the clock of a test stands still"
    );
    let tokens_in = first.tokens_in + second.tokens_in;
    let by_day = |tokens_out| {
        format!(
            "date,model,input_tokens,output_tokens\n{day},sandbox-small,{tokens_in},{tokens_out}\n"
        )
    };
    let tokens_out = first.tokens_out + second.tokens_out;
    let right = bar.against(&by_day(tokens_out)).await;
    assert_eq!((right.lines, right.differences), (1, vec![]));
    let wrong = bar.against(&by_day(tokens_out + 1)).await.differences;
    let wrong = wrong.first().unwrap();
    assert_eq!(wrong.line.to_string(), format!("{day} sandbox-small"));
    assert_eq!(
        (wrong.ours.output, wrong.theirs.output),
        (tokens_out, tokens_out + 1)
    );
    assert_eq!(wrong.ours.requests, Some(2));

    let asked = |run: &RunView, more: i64| {
        let at = run.started_at.unwrap().to_rfc3339();
        format!(
            "{at},{},{},{}\n",
            run.id,
            run.tokens_in + more,
            run.tokens_out
        )
    };
    let names = "created_at,client_request_id,prompt_tokens,completion_tokens\n";
    let one_by_one =
        |second_more| names.to_owned() + &asked(&first, 0) + &asked(&second, second_more);
    assert_eq!(bar.against(&one_by_one(0)).await.differences, vec![]);
    let wrong = bar.against(&one_by_one(3)).await.differences;
    assert_eq!(wrong.len(), 1);
    assert_eq!(
        wrong.first().unwrap().line.to_string(),
        second.id.to_string()
    );
}

#[tokio::test]
async fn vectors_are_compared_by_day_and_one_by_one() {
    let bar = Bar::open().await;
    let pets = bar.vectors(&["犬", "猫"], None).await;
    let known = bar.vectors(&["犬", "猫"], None).await;
    let bird = bar.vectors(&["鳥がいる"], None).await;
    let tokens = |made: &gateway::Vectors| made.answer.usage.unwrap().input;
    assert_eq!(tokens(&known), 0, "what is known is neither sent nor paid");
    let chat = bar.ended(bar.ask("こんばんは").await).await;
    let day = bar.room.cx.clock.now().date_naive();

    let page = |more: u64| {
        let start = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let input = tokens(&pets) + tokens(&bird) + more;
        format!(
            r#"{{"object": "page", "data": [{{"object": "bucket", "start_time": {start}, "end_time": {}, "results": [
            {{"object": "organization.usage.embeddings.result", "input_tokens": {input}, "num_model_requests": 2,
              "project_id": null, "user_id": null, "api_key_id": null, "model": "{VECTORS}"}}]}}], "has_more": false}}"#,
            start + 86_400
        )
    };
    let right = bar.against(&page(0)).await;
    assert_eq!((right.lines, right.differences), (1, vec![]));
    assert_eq!(
        right.left_out,
        ["sandbox-small".to_owned()].into(),
        "chats are another export's"
    );
    let wrong = bar.against(&page(1)).await.differences;
    let wrong = wrong.first().unwrap();
    assert_eq!(wrong.line.to_string(), format!("{day} {VECTORS}"));
    assert_eq!(
        (wrong.ours.requests, wrong.theirs.input - wrong.ours.input),
        (Some(2), 1)
    );
    let chats = format!(
        "date,model,input_tokens,output_tokens\n{day},sandbox-small,{},{}\n",
        chat.tokens_in, chat.tokens_out
    );
    let chats = bar.against(&chats).await;
    assert_eq!(
        (chats.differences, chats.left_out),
        (vec![], [VECTORS.to_owned()].into())
    );

    let now = bar.room.cx.clock.now();
    let later = (now + chrono::Duration::seconds(1)).to_rfc3339();
    let line = |made: &gateway::Vectors, more| {
        format!("{},{},{}\n", now.to_rfc3339(), made.id, tokens(made) + more)
    };
    let names = "created_at,client_request_id,prompt_tokens\n";
    let both = |more| names.to_owned() + &line(&pets, 0) + &line(&bird, more);
    let right = bar.against(&both(0)).await;
    assert_eq!((right.lines, right.differences), (2, vec![]));
    let only_bird = |wrong: Reconciled| {
        let lines = wrong.differences.iter();
        let lines: Vec<String> = lines.map(|one| one.line.to_string()).collect();
        assert_eq!(lines, [bird.id.to_string()]);
    };
    only_bird(bar.against(&both(2)).await);
    // what an export lacks that has the time in it
    let without = names.to_owned() + &line(&pets, 0) + &format!("{later},{},0\n", pets.id);
    only_bird(bar.against(&without).await);
}
