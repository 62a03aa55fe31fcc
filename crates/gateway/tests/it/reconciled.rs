use std::collections::BTreeMap;

use gateway::{Export, Reconciled};

use super::*;

impl Bar {
    async fn against(&self, export: &str) -> Reconciled {
        let export = Export::read(export.as_bytes()).unwrap();
        let models = BTreeMap::from([("sandbox-small".to_owned(), Use::Chat)]);
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
