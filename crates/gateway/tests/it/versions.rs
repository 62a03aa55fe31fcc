//! Models that an operator puts in force while the house runs.

use std::collections::BTreeMap;

use gateway::{Kind, ModelFile, NewModels, OfSettings, Operator, Provider};

use super::*;

const FILE: &str = r#"
[[model]]
name = "small"
prices = [{ from = "2020-01-01", input = 1_000, output = 2_000 }]
targets = [{ provider = "double", model = "sandbox-small" }]
"#;

/// The same name at another of the provider's models, for twice the price.
const NEWER: &str = r#"
[[model]]
name = "small"
prices = [{ from = "2020-01-01", input = 2_000, output = 4_000 }]
targets = [{ provider = "double", model = "sandbox-medium" }]
"#;

const META: &str = "req_test";

struct Counter {
    bar: Bar,
    house: OfSettings,
}

fn routes(base_url: &str) -> Routes {
    let provider = Provider {
        kind: Kind::OpenAi,
        base_url: format!("{base_url}/v1"),
        region: String::new(),
        keys: Vec::new(),
        streams: true,
        start: None,
    };
    let providers = BTreeMap::from([("double".to_owned(), provider)]);
    let file = ModelFile::parse(FILE).unwrap();
    Routes::of_file(file, providers, Routes::default(), true)
}

impl Counter {
    async fn open(pace: Duration) -> Self {
        let mut bar = Bar::with_pace(pace).await;
        bar.room = node_of(&bar.test.cx, routes(&bar.model), vault()).await;
        let house = OfSettings {
            file: ModelFile::parse(FILE).unwrap(),
            providers: [("double".to_owned(), Kind::OpenAi)].into(),
        };
        Self { bar, house }
    }

    async fn apply(&self, text: &str, seen: Option<i32>) -> Result<i32, Error> {
        let meta = RequestMeta::of_the_house(META);
        let new = NewModels {
            text,
            note: None,
            seen,
        };
        let applied = gateway::apply_models(&self.bar.room.cx, &self.house, by(&meta), new).await?;
        Ok(applied.version)
    }

    async fn roll_back(&self, to: i32) -> Result<i32, Error> {
        let meta = RequestMeta::of_the_house(META);
        let cx = &self.bar.room.cx;
        let applied = gateway::roll_back_models(cx, &self.house, by(&meta), to).await?;
        Ok(applied.version)
    }

    /// What a question was answered by, and at how many times the price of the file.
    async fn answered(&self) -> (String, i64) {
        let run = self.bar.ended(self.bar.ask("hello").await).await;
        assert_eq!(run.state, State::Completed, "{run:?}");
        (run.model.clone(), times(&run))
    }
}

/// How many times the price of the file a run cost.
fn times(run: &RunView) -> i64 {
    assert!(run.tokens_in > 0 && run.tokens_out > 0, "{run:?}");
    run.cost_nano_usd / (run.tokens_in + 2 * run.tokens_out)
}

const fn by(meta: &RequestMeta) -> Operator<'_> {
    Operator {
        principal: None,
        meta,
    }
}

#[tokio::test]
async fn a_version_is_followed_by_every_node_and_taken_back_by_one_step() {
    let shop = Counter::open(Duration::ZERO).await;
    let cx = Ctx::new(
        shop.bar.test.another_node().await,
        shop.bar.test.cx.clock.clone(),
    );
    let other = node_of(&cx, routes(&shop.bar.model), vault()).await;
    let first = shop.answered().await;
    assert_eq!(first, ("sandbox-small".to_owned(), 1));

    assert_eq!(shop.apply(NEWER, Some(0)).await.unwrap(), 1);
    assert_eq!(shop.answered().await, first, "not looked yet");
    shop.bar.room.refresh_routes().await.unwrap();
    let newer = ("sandbox-medium".to_owned(), 2);
    assert_eq!(shop.answered().await, newer);
    other.refresh_routes().await.unwrap();
    let there = Bar {
        room: other,
        ..shop.bar
    };
    let shop = Counter { bar: there, ..shop };
    assert_eq!(shop.answered().await, newer);

    assert_eq!(shop.roll_back(0).await.unwrap(), 2);
    shop.bar.room.refresh_routes().await.unwrap();
    assert_eq!(shop.answered().await, first);
    let listed = gateway::model_versions(&shop.bar.room.cx, &shop.house)
        .await
        .unwrap();
    let numbers: Vec<_> = listed
        .iter()
        .map(|one| (one.version, one.applied_by.as_deref(), one.note.as_deref()))
        .collect();
    assert_eq!(
        numbers,
        [
            (2, Some("operator"), Some("← 0")),
            (1, Some("operator"), None),
            (0, None, None)
        ]
    );
    let mut owner = shop.bar.test.database.owner().await;
    let bills: Vec<i64> = sqlx::query_scalar(
        "select cost_nano_usd / (tokens_in + 2 * tokens_out) from gateway.run order by 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(bills, [1, 1, 1, 2, 2], "bills stay as they were");
}

#[tokio::test]
async fn a_run_under_way_goes_on_with_what_it_began_with() {
    let shop = Counter::open(Duration::from_millis(60)).await;
    let begun = shop.bar.ask("hello").await;
    shop.bar
        .until(begun, |run| run.state == State::Running)
        .await;
    shop.apply(NEWER, None).await.unwrap();
    shop.bar.room.refresh_routes().await.unwrap();
    let later = shop.answered().await;
    let run = shop.bar.ended(begun).await;
    assert_eq!(run.state, State::Completed);
    assert_eq!((run.model.as_str(), times(&run)), ("sandbox-small", 1));
    assert_eq!(later, ("sandbox-medium".to_owned(), 2));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_nothing_changes() {
    let shop = Counter::open(Duration::ZERO).await;
    let unknown = NEWER.replace("double", "elsewhere");
    for (text, pointer) in [
        (unknown.as_str(), "/model/0/targets/0/provider"),
        ("[[model]]\nname = \"a\"", "/model/0/targets"),
        ("[[model", ""),
    ] {
        let refused = shop.apply(text, None).await.unwrap_err();
        let Error::BadModels(wrong) = refused else {
            unreachable!("{refused:?}")
        };
        assert_eq!(wrong.pointer(), pointer);
    }
    assert_eq!(shop.apply(NEWER, Some(0)).await.unwrap(), 1);
    let late = shop.apply(FILE, Some(0)).await;
    assert!(matches!(late, Err(Error::ModelsChanged)), "{late:?}");
    let nowhere = shop.roll_back(7).await;
    assert!(
        matches!(nowhere, Err(Error::ModelsVersionNotFound)),
        "{nowhere:?}"
    );
    let (version, text) = gateway::model_text(&shop.bar.room.cx, &shop.house, None)
        .await
        .unwrap();
    assert_eq!((version, text.as_str()), (1, NEWER));
    let mut owner = shop.bar.test.database.owner().await;
    let changed = sqlx::query("update gateway.model_version set text = ''")
        .execute(&mut owner)
        .await;
    assert!(changed.is_ok(), "the owner may; the application may not");
    let mut tx = shop
        .bar
        .room
        .cx
        .db
        .begin(db::Scope::House("a version is changed"))
        .await
        .unwrap();
    let denied = sqlx::query("update gateway.model_version set text = ''")
        .execute(&mut *tx)
        .await;
    assert!(denied.is_err());
}

#[tokio::test]
async fn a_canarys_share_is_changed_and_nothing_else() {
    let shop = Counter::open(Duration::ZERO).await;
    let text = format!(
        "{FILE}\n[[model]]\nname = \"next\"\ntargets = [{{ provider = \"double\", model = \"sandbox-medium\" }}]\n\
         [[model]]\nname = \"chat\" # ours\nalias_of = \"small\"\ncanary = {{ model = \"next\", percent = 5 }}\n"
    );
    shop.apply(&text, None).await.unwrap();
    let cx = &shop.bar.room.cx;
    let meta = RequestMeta::of_the_house(META);
    let change = |of| gateway::change_canary(cx, &shop.house, by(&meta), of);
    assert_eq!(change(("chat", 0, 1)).await.unwrap().version, 2);
    let (_, now) = gateway::model_text(cx, &shop.house, None).await.unwrap();
    assert_eq!(now, text.replace("percent = 5", "percent = 0"));
    let none = change(("small", 5, 2)).await;
    assert!(matches!(none, Err(Error::ModelHasNoCanary)), "{none:?}");
    let late = change(("chat", 5, 1)).await;
    assert!(matches!(late, Err(Error::ModelsChanged)), "{late:?}");
}

#[tokio::test]
async fn a_canary_grows_only_once_what_stands_behind_it_has_passed() {
    let shop = Counter::open(Duration::ZERO).await;
    let cx = &shop.bar.room.cx;
    let meta = RequestMeta::of_the_house(META);
    let file = |percent: u32, behind: &str| {
        format!(
            "{FILE}\n[[model]]\nname = \"next\"\ntargets = [{{ provider = \"double\", model = \"{behind}\" }}]\n[[model]]\n\
             name = \"chat\"\nalias_of = \"small\"\ncanary = {{ model = \"next\", percent = {percent}, gate = \"manners\" }}\n"
        )
    };
    let change = |of| gateway::change_canary(cx, &shop.house, by(&meta), of);
    let refused = |found: Error| match found {
        Error::CanaryNotPassed(what) => (what.model, what.canary, what.evaluation),
        other => unreachable!("{other:?}"),
    };
    let who = |name: &str| ("chat".to_owned(), name.to_owned(), "manners".to_owned());
    let at_once = shop.apply(&file(5, "sandbox-medium"), None).await;
    assert_eq!(refused(at_once.unwrap_err()), who("next"));
    shop.apply(&file(0, "sandbox-medium"), None).await.unwrap();
    assert_eq!(
        refused(change(("chat", 5, 1)).await.unwrap_err()),
        who("next")
    );

    let (subject, asked) = gateway::subject_of(cx, &shop.house, "next").await.unwrap();
    assert_eq!(
        (subject.as_str(), asked),
        ("double/sandbox-medium", vec!["manners".to_owned()])
    );
    let evaluated = |evaluation, passed, kept| {
        let found = gateway::Evaluated {
            evaluation,
            model: "next",
            subject: &subject,
            passed,
            asked: 8,
            kept,
        };
        let (cx, meta) = (cx.clone(), RequestMeta::of_the_house(META));
        async move { gateway::note_evaluation(&cx, by(&meta), &found).await }
    };
    evaluated("another", true, 8).await.unwrap();
    assert!(change(("chat", 5, 1)).await.is_err(), "that was not asked");
    evaluated("manners", true, 8).await.unwrap();
    assert_eq!(change(("chat", 5, 1)).await.unwrap().version, 2);
    shop.bar.test.time.advance(chrono::Duration::seconds(1));
    evaluated("manners", false, 7).await.unwrap();
    assert!(change(("chat", 6, 2)).await.is_err(), "the newest counts");
    assert_eq!(
        change(("chat", 1, 2)).await.unwrap().version,
        3,
        "back is always free"
    );
    let back = shop.roll_back(2).await.unwrap_err();
    assert_eq!(refused(back), who("next"));
    shop.bar.test.time.advance(chrono::Duration::seconds(1));
    evaluated("manners", true, 8).await.unwrap();
    let other = shop.apply(&file(1, "sandbox-large"), None).await;
    assert_eq!(
        refused(other.unwrap_err()),
        who("next"),
        "another one stands behind it"
    );
    let catalogue = Catalogue::load(cx).await.unwrap();
    let diff = |percent, behind: &str| {
        let text = file(percent, behind);
        let (house, catalogue) = (&shop.house, &catalogue);
        async move {
            gateway::diff_models(cx, house, catalogue, &text)
                .await
                .unwrap()
                .not_passed
        }
    };
    assert_eq!(diff(50, "sandbox-medium").await, []);
    assert_eq!(diff(50, "sandbox-large").await.len(), 1);
    let mut owner = shop.bar.test.database.owner().await;
    let written: i64 =
        sqlx::query_scalar("select count(*) from identity.audit where action = 'models.evaluate'")
            .fetch_one(&mut owner)
            .await
            .unwrap();
    assert_eq!(written, 4);
}
