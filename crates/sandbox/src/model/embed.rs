//! The stand-in's vectors: pairs of letters, counted into places by a hash. Texts that share words lie near each other, and
//! the same text lies always at the same place.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::StatusCode, response::Response};
use llm::{
    EmbedAnswer, EmbedInput, RefusalKind, Usage,
    openai::door::{read_embed, refuse as written, write_embed},
    tokens,
};

use super::{Model, Work, fault::Fault, json_response, refuse};

/// The model that answers with vectors.
pub(super) const MODEL: &str = "sandbox-embedding";
/// The length of a vector unless another is asked for.
const USUAL: u32 = 256;
const LONGEST: u32 = 1024;

pub(super) async fn embed(State(model): State<Arc<Model>>, body: Bytes) -> Response {
    let mut work = Work::begin(model);
    let ask = match read_embed(&body) {
        Ok(ask) => ask,
        Err(refusal) => {
            work.fail();
            let status = StatusCode::from_u16(refusal.kind.status());
            return json_response(
                status.unwrap_or(StatusCode::BAD_REQUEST),
                &written(&refusal),
            );
        }
    };
    let name = ask.request.model.as_str();
    if Fault::of(name).is_some() {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return refuse(work, status, "server_error", "failed as asked");
    }
    if name != MODEL {
        let message = "the model does not exist";
        return refuse(work, StatusCode::NOT_FOUND, "model_not_found", message);
    }
    let length = ask.request.dimensions.unwrap_or(USUAL);
    if length > LONGEST {
        let refusal =
            llm::Refusal::new(RefusalKind::Invalid, "so many dimensions are not to be had");
        work.fail();
        return json_response(StatusCode::BAD_REQUEST, &written(&refusal));
    }
    let (vectors, input) = match &ask.request.input {
        EmbedInput::Texts(texts) => (
            texts
                .iter()
                .map(|text| place(pairs(text), length))
                .collect(),
            texts.iter().map(|text| tokens::estimate(text)).sum(),
        ),
        EmbedInput::Tokens(inputs) => (
            inputs
                .iter()
                .map(|tokens| place(tokens.iter().copied(), length))
                .collect(),
            inputs.iter().map(|tokens| tokens.len() as u64).sum(),
        ),
    };
    work.count_input(input);
    work.complete();
    let usage = Some(Usage {
        input,
        ..Usage::default()
    });
    let answer = EmbedAnswer {
        model: name.to_owned(),
        vectors,
        usage,
    };
    json_response(StatusCode::OK, &write_embed(&answer, name, ask.encoding))
}

/// Neighbouring letters, folded to small ones; a single letter stands with itself.
fn pairs(text: &str) -> impl Iterator<Item = u32> {
    let letters: Vec<u32> = text.to_lowercase().chars().map(u32::from).collect();
    let next: Vec<u32> = letters
        .iter()
        .copied()
        .skip(1)
        .chain(letters.last().copied())
        .collect();
    letters
        .into_iter()
        .zip(next)
        .map(|(one, two)| one.wrapping_mul(0x0100_0193) ^ two)
}

/// Counts items into the places of a vector of length 1.
fn place(items: impl Iterator<Item = u32>, length: u32) -> Vec<f32> {
    let mut counts = vec![0_u16; length as usize];
    for item in items {
        let at = item.wrapping_mul(0x9e37_79b1).rotate_left(15) % length;
        if let Some(count) = counts.get_mut(at as usize) {
            *count = count.saturating_add(1);
        }
    }
    let squares: f32 = counts.iter().map(|count| f32::from(*count).powi(2)).sum();
    let whole = squares.sqrt().max(f32::MIN_POSITIVE);
    counts
        .iter()
        .map(|count| f32::from(*count) / whole)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: &str, two: &str) -> f32 {
        let of = |text| place(pairs(text), USUAL);
        of(one).iter().zip(of(two)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_that_share_words_lie_near_each_other() {
        assert!((near("営業時間を教えて", "営業時間を教えて") - 1.0).abs() < 1e-5);
        assert!(
            near("営業時間を教えて", "営業時間は何時ですか")
                > near("営業時間を教えて", "a bird in the hand")
        );
        assert!(near("Opening hours", "opening HOURS") > 0.99);
    }
}
