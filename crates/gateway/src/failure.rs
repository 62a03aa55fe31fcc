use api::Problem;
use kernel::Text;

/// Why a run failed, as a refusal: its reason is the code.
pub(crate) fn failure(reason: &str) -> Problem {
    let problem = |status, code, ja, en| Problem::new(status, code, Text::new(ja, en));
    match reason {
        "upstream_busy" => problem(
            503,
            "upstream_busy",
            "モデルの提供元が混み合っています。少し待ってからお試しください。",
            "The model's provider is busy. Please try again in a moment.",
        )
        .with_retry_after(5),
        "upstream_unavailable" => problem(
            503,
            "upstream_unavailable",
            "モデルの提供元が応答していません。少し待ってからお試しください。",
            "The model's provider does not answer at the moment. Please try again in a while.",
        )
        .with_retry_after(10),
        "line_full" => problem(
            503,
            "line_full",
            "このモデルには多くの依頼が並んでいます。少し待ってからお試しください。",
            "Too many are waiting for this model. Please try again in a moment.",
        )
        .with_retry_after(5),
        "upstream_refused" => problem(
            400,
            "upstream_refused",
            "モデルの提供元がこの内容を受け付けませんでした。長さや形式をお確かめください。",
            "The model's provider did not take this request. Please check its length and form.",
        ),
        // the words that clients of Anthropic's look for, as the code is what clients of OpenAI's do
        "context_length_exceeded" => problem(
            400,
            "context_length_exceeded",
            "会話が長すぎて、モデルが一度に読める量を超えました（prompt is too long）。短くするか、別のモデルをお選びください。",
            "prompt is too long: it exceeds what the model can read at once. Please shorten it, or choose another model.",
        ),
        "upstream_denied" => problem(
            502,
            "upstream_denied",
            "モデルの提供元への接続設定に問題があります。運営者にお知らせください。",
            "The model's provider did not let us in. Please tell the operator.",
        ),
        "upstream_stalled" => problem(
            504,
            "upstream_stalled",
            "モデルの返事が途中で止まりました。",
            "The model stopped answering.",
        ),
        "upstream_garbled" => problem(
            502,
            "upstream_garbled",
            "モデルの返事を読み取れませんでした。",
            "The model's answer could not be read.",
        ),
        "deadline" => problem(
            504,
            "deadline",
            "時間内に返事が終わりませんでした。",
            "The answer was not finished in time.",
        ),
        "node_lost" => problem(
            503,
            "node_lost",
            "処理していたサーバーが止まりました。もう一度お試しください。",
            "The server that was at it has stopped. Please try again.",
        )
        .with_retry_after(1),
        "stopped" | "moderated" => problem(
            409,
            "run_stopped",
            "この返事は取り消されました。",
            "This run was cancelled.",
        ),
        _ => problem(
            502,
            "upstream_failed",
            "モデルの提供元で失敗しました。",
            "The model's provider failed.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_a_run_is_a_refusal_of_its_own() {
        for reason in [
            "upstream_busy",
            "upstream_unavailable",
            "line_full",
            "upstream_refused",
            "context_length_exceeded",
            "upstream_denied",
            "upstream_stalled",
            "upstream_garbled",
            "upstream_failed",
            "deadline",
            "node_lost",
        ] {
            assert_eq!(failure(reason).code, reason);
        }
    }
}
