use api::{FieldError, Problem};
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

use crate::{
    failure::failure,
    models::{ModelFileError, NotPassed},
};

/// What the gateway refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such run")]
    RunNotFound,
    #[error("the plan has no such route")]
    RouteNotFound,
    #[error("the key may not use this model")]
    ModelNotAllowed,
    #[error("there is no model {0}")]
    ModelUnknown(String),
    #[error("the plan does not have the model {model}")]
    ModelNotInPlan {
        model: String,
        suggestion: Option<api::Suggestion>,
    },
    #[error("the model {0} is not for this")]
    ModelNotForThis(String),
    #[error("no target of the model {0} can read the documents")]
    DocumentsUnreadable(String),
    #[error("no target of the model {0} tells how likely its tokens are")]
    LogprobsUntold(String),
    #[error("nothing is said, and no target of the model {0} answers that")]
    NothingSaid(String),
    #[error("what is wanted of the cache can't be read")]
    CacheUseInvalid,
    #[error("where it may go can't be read")]
    DataPolicyInvalid,
    #[error("no target of the model is where the request may go")]
    DataPolicyUnmet,
    #[error("a batch can't be told where it may go")]
    DataPolicyUnsupported,
    #[error("the priority can't be read")]
    PriorityInvalid,
    #[error("the Idempotency-Key can't be used")]
    RepeatKeyInvalid,
    #[error("the Idempotency-Key came with another body before")]
    RepeatKeyReused,
    #[error("it may cost {bound:?}, which is more than {most:?}")]
    CostAboveLimit {
        bound: kernel::NanoUsd,
        most: kernel::NanoUsd,
    },
    #[error("the plan has {most} places, which is fewer than there are choices")]
    TooManyChoices { most: u32 },
    #[error("the request can't be read: {0:?}")]
    BadRequest(llm::Refusal),
    #[error("the run failed: {0}")]
    RunFailed(String),
    #[error("what the run said was deleted")]
    TextGone,
    #[error("what the run said is sealed and does not open")]
    TextClosed,
    #[error("no such key")]
    KeyNotFound,
    #[error("the run is under way")]
    UnderWay,
    #[error("no model is configured for the route {0}")]
    ModelNotConfigured(String),
    #[error("no such key of a provider")]
    CredentialNotFound,
    #[error("there are as many keys of providers as there may be")]
    TooManyCredentials,
    #[error("the provider can't be used: {0}")]
    BadProvider(String),
    #[error("the models can't be used: {0}")]
    BadModels(#[from] ModelFileError),
    #[error("another version of the models is in force by now")]
    ModelsChanged,
    #[error("no such version of the models")]
    ModelsVersionNotFound,
    #[error("the model has no canary")]
    ModelHasNoCanary,
    #[error("canary {} of {} has not passed {}; run `noren models evaluate {}` first", .0.canary, .0.model, .0.evaluation, .0.canary)]
    CanaryNotPassed(NotPassed),
    #[error("a provider's key can't be sealed or opened for want of the sealing key")]
    SecretClosed,
    #[error(transparent)]
    Hooks(#[from] hooks::Error),
    #[error("the upstream did not deliver: {0}")]
    Upstream(&'static str),
    #[error(transparent)]
    Entitlement(#[from] entitlement::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        if error.lacks_key() {
            Self::SecretClosed
        } else {
            Self::Fault(error.into())
        }
    }
}

/// What is said of keys of providers.
fn of_credential(error: &Error) -> Problem {
    match error {
        Error::TooManyCredentials => Problem::new(
            409,
            "too_many",
            Text::new(
                "これ以上は増やせません。使っていないものを消してください。",
                "There can't be more. Please remove what is not used.",
            ),
        ),
        Error::BadProvider(why) => Problem::new(
            422,
            "provider_refused",
            Text::owned(
                format!("この設定では使えません: {why}"),
                format!("It can't be used like this: {why}"),
            ),
        ),
        Error::SecretClosed => Problem::new(
            503,
            "secret_closed",
            Text::new(
                "秘密を封じる鍵がありません。seal.keys を設定してください。",
                "There is no key to seal secrets with. Please set seal.keys.",
            ),
        ),
        _ => Problem::not_found(),
    }
}

/// What is said of versions of the models' file.
fn of_models(error: Error) -> Problem {
    match error {
        Error::BadModels(wrong) => Problem::new(
            422,
            "models_refused",
            Text::new(
                "このモデルの設定は使えません。直すところを示します。",
                "These models can't be used; what is wrong is told with its place.",
            ),
        )
        .with_fields(vec![FieldError {
            pointer: wrong.pointer().to_owned(),
            code: "format",
            text: wrong.text(),
        }]),
        Error::ModelsChanged => Problem::new(
            409,
            "models_changed",
            Text::new(
                "ほかの人が先にモデルの設定を変えました。読み直してからもう一度お試しください。",
                "Somebody else has changed the models meanwhile. Please look again and retry.",
            ),
        ),
        Error::CanaryNotPassed(NotPassed {
            model,
            canary,
            evaluation,
        }) => Problem::new(
            409,
            "canary_not_passed",
            Text::owned(
                format!(
                    "「{model}」のカナリア「{canary}」は評価「{evaluation}」に合格していないので、割合を増やせません。noren models evaluate {canary} を実行してください。まだ置いていないモデルは、割合0で置いてから評価します。減らすことはいつでもできます。"
                ),
                format!(
                    "{canary}, the canary of {model}, has not passed the evaluation {evaluation}, so its share can't grow. Please run noren models evaluate {canary}; a model that is not in force yet is put there with a share of 0 first. A share can always be made smaller."
                ),
            ),
        ),
        Error::ModelHasNoCanary => Problem::new(
            404,
            "canary_not_found",
            Text::new(
                "このモデルにカナリアはありません。",
                "This model has no canary.",
            ),
        ),
        _ => Problem::new(
            404,
            "models_version_not_found",
            Text::new(
                "その版のモデルの設定はありません。",
                "There is no such version of the models.",
            ),
        ),
    }
}

/// What is said of the headers that a caller may send.
fn of_header(error: &Error) -> Problem {
    match error {
        Error::CacheUseInvalid => Problem::new(
            422,
            "cache_use_invalid",
            Text::new(
                "X-Noren-Cacheはon、read、write、offのいずれかにしてください。「; max-age=秒数」を付けられます。",
                "Please use on, read, write or off as X-Noren-Cache; `; max-age=SECONDS` may follow.",
            ),
        ),
        Error::DataPolicyInvalid => Problem::new(
            422,
            "data_policy_invalid",
            Text::new(
                "X-Noren-ProvidersとX-Noren-Regionsには、名前をコンマで区切って20個まで書いてください。",
                "Please list up to 20 names with commas between in X-Noren-Providers and X-Noren-Regions.",
            ),
        ),
        Error::DataPolicyUnmet => Problem::new(
            422,
            "data_policy_unmet",
            Text::new(
                "指定された提供元・地域で応答できるモデルがありません。",
                "The model has no provider among those, and in those regions, that you allow.",
            ),
        ),
        Error::DataPolicyUnsupported => Problem::new(
            422,
            "data_policy_unsupported",
            Text::new(
                "バッチでは提供元や地域を指定できません。",
                "A batch can't be limited to providers or regions.",
            ),
        ),
        Error::PriorityInvalid => Problem::new(
            422,
            "priority_invalid",
            Text::new(
                "X-Noren-Priorityはnormalかlowのどちらかにしてください。",
                "Please use normal or low as X-Noren-Priority.",
            ),
        ),
        Error::RepeatKeyReused => Problem::new(
            422,
            "idempotency_key_reused",
            Text::new(
                "このIdempotency-Keyは別の内容で使われています。",
                "This Idempotency-Key was used with another request.",
            ),
        ),
        _ => Problem::new(
            422,
            "idempotency_key_invalid",
            Text::new(
                "Idempotency-Keyは1〜255文字にしてください。",
                "Please use an Idempotency-Key of 1 to 255 characters.",
            ),
        ),
    }
}

fn of_route() -> Problem {
    Problem::new(
        404,
        "route_not_found",
        Text::new(
            "ご利用のプランにこの経路はありません。",
            "Your plan has no such route.",
        ),
    )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::CredentialNotFound
            | Error::TooManyCredentials
            | Error::BadProvider(_)
            | Error::SecretClosed => of_credential(&error),
            Error::BadModels(_)
            | Error::ModelsChanged
            | Error::ModelsVersionNotFound
            | Error::CanaryNotPassed(_)
            | Error::ModelHasNoCanary => of_models(error),
            Error::RunNotFound => Problem::new(
                404,
                "run_not_found",
                Text::new("この返事は見つかりません。", "This run was not found."),
            ),
            Error::RouteNotFound => of_route(),
            Error::ModelNotAllowed => Problem::new(
                403,
                "model_not_allowed",
                Text::new(
                    "このAPIキーでは、このモデルを使えません。",
                    "This API key may not use this model.",
                ),
            ),
            Error::ModelUnknown(model) => Problem::new(
                404,
                "model_not_found",
                Text::owned(
                    format!("「{model}」というモデルはありません。"),
                    format!("There is no model named {model}."),
                ),
            ),
            Error::ModelNotInPlan { model, suggestion } => Problem::new(
                402,
                "model_not_in_plan",
                Text::owned(
                    format!("ご利用のプランでは「{model}」を使えません。"),
                    format!("Your plan does not have the model {model}."),
                ),
            )
            .with_suggestion(suggestion),
            Error::ModelNotForThis(model) => not_for_this(&model),
            Error::DocumentsUnreadable(model) => documents_unreadable(&model),
            Error::LogprobsUntold(model) => logprobs_untold(&model),
            Error::NothingSaid(model) => nothing_said(&model),
            Error::CacheUseInvalid
            | Error::DataPolicyInvalid
            | Error::DataPolicyUnmet
            | Error::DataPolicyUnsupported
            | Error::PriorityInvalid
            | Error::RepeatKeyInvalid
            | Error::RepeatKeyReused => of_header(&error),
            Error::CostAboveLimit { bound, most } => cost_above_limit(bound.0, most.0),
            Error::TooManyChoices { most } => too_many_choices(most),
            Error::BadRequest(refusal) => bad_request(refusal),
            Error::RunFailed(reason) => failure(&reason),
            Error::TextGone => text_gone(),
            Error::TextClosed => Problem::new(
                503,
                "text_closed",
                Text::new(
                    "この返事の内容は封じられていて、いまは開けません。運営者にお知らせください。",
                    "What was said here is sealed and can't be opened now. Please tell the operator.",
                ),
            ),
            Error::KeyNotFound => identity::Error::NotFound.into(),
            Error::UnderWay => Problem::new(
                409,
                "inference_under_way",
                Text::new(
                    "まだ処理中です。先に取り消してください。",
                    "This is still under way. Please cancel it first.",
                ),
            ),
            Error::ModelNotConfigured(route) => {
                tracing::warn!(route, "no model is configured");
                Problem::new(
                    503,
                    "model_not_configured",
                    Text::new(
                        "応答するモデルがまだ設定されていません。運営者にお知らせください。",
                        "No model has been set up to answer yet. Please tell the operator.",
                    ),
                )
            }
            Error::Upstream(reason) => failure(reason),
            Error::Entitlement(error) => error.into(),
            Error::Hooks(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

fn text_gone() -> Problem {
    Problem::new(
        410,
        "text_deleted",
        Text::new(
            "この返事の内容は削除されています。",
            "What was said here has been deleted.",
        ),
    )
}

fn cost_above_limit(bound: i64, most: i64) -> Problem {
    Problem::new(
        422,
        "cost_above_limit",
        Text::owned(
            format!(
                "最大で{bound}ナノドルかかる可能性があり、指定の上限{most}ナノドルを超えます。"
            ),
            format!(
                "This may cost up to {bound} billionths of a dollar, above your limit of {most}."
            ),
        ),
    )
}

fn too_many_choices(most: u32) -> Problem {
    let text = Text::owned(
        format!("返事は1つずつ同時実行の数に入ります。今のプランでは一度に{most}個までです。"),
        format!(
            "Each answer counts as a call of its own, and your plan has room for {most} at once."
        ),
    );
    let field = FieldError {
        pointer: "/n".to_owned(),
        code: "range",
        text: text.clone(),
    };
    Problem::new(422, "too_many_choices", text).with_fields(vec![field])
}

fn not_for_this(model: &str) -> Problem {
    Problem::new(
        400,
        "model_not_for_this",
        Text::owned(
            format!("「{model}」はこの用途のモデルではありません。"),
            format!("The model {model} is not made for this."),
        ),
    )
}

fn documents_unreadable(model: &str) -> Problem {
    Problem::new(
        400,
        "documents_unreadable",
        Text::owned(
            format!(
                "「{model}」には、このPDFを読めるモデルがありません。PDFを読めるモデルの名前にするか、アドレスではなくPDFそのものを送ってください。"
            ),
            format!(
                "{model} has no model that can read this PDF. Please name one that reads PDF; most take the PDF itself, not its address."
            ),
        ),
    )
}

fn logprobs_untold(model: &str) -> Problem {
    Problem::new(
        400,
        "logprobs_untold",
        Text::owned(
            format!(
                "「{model}」には、トークンの確率（logprobs）を返せるモデルがありません。logprobs を外すか、別のモデルの名前にしてください。"
            ),
            format!(
                "{model} has no model that tells how likely its tokens are. Please leave logprobs out or name another."
            ),
        ),
    )
}

fn nothing_said(model: &str) -> Problem {
    Problem::new(
        400,
        "nothing_said",
        Text::owned(
            format!("messages に言葉がありません。「{model}」には、何か書いて送ってください。"),
            format!(
                "There are no words in messages. Please say something to {model} in one of them."
            ),
        ),
    )
}

fn bad_request(refusal: llm::Refusal) -> Problem {
    let field = FieldError {
        pointer: refusal.pointer.unwrap_or_default(),
        code: "format",
        text: Text::owned(
            format!("この項目を直してください（{}）。", refusal.message),
            refusal.message,
        ),
    };
    Problem::new(
        422,
        "invalid_input",
        Text::new(
            "入力に直すところがあります。",
            "Some of the input needs another look.",
        ),
    )
    .with_fields(vec![field])
}
