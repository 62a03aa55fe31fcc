use identity::InferenceCaller;
use llm::{EmbedAnswer, EmbedInput, EmbedRequest, Usage};
use sha2::Digest;

use super::{CacheUse, Cached, begin, scope, store};
use crate::{Error, Gateway, Target};

/// What a target has answered before of what is asked of it now.
#[derive(Debug)]
pub(crate) struct Known {
    wanted: CacheUse,
    keys: Vec<Vec<u8>>,
    /// One place for each text, in their order.
    vectors: Vec<Option<Vec<f32>>>,
}

impl Known {
    /// Looks up. A cache that can't be read is as good as an empty one.
    pub(crate) async fn of(
        room: &Gateway,
        caller: &InferenceCaller,
        target: &Target,
        (wanted, request): (CacheUse, &EmbedRequest),
    ) -> Self {
        let mut known = Self {
            wanted,
            keys: Vec::new(),
            vectors: vec![None; request.input.len()],
        };
        if wanted == CacheUse::default() {
            return known;
        }
        known.keys = keys(target, request);
        if wanted.reads
            && let Err(error) = known.look(room, caller).await
        {
            tracing::warn!(%error, "the cache can't be read");
        }
        known
    }

    async fn look(&mut self, room: &Gateway, caller: &InferenceCaller) -> Result<(), Error> {
        let tenant = caller.principal.tenant;
        let since = room.cx.clock.now() - self.wanted.longest();
        let mut tx = room.cx.db.begin(scope(tenant)).await?;
        let found = store::vectors(&mut tx, tenant, &self.keys, since).await?;
        tx.commit().await?;
        for (key, place) in self.keys.iter().zip(&mut self.vectors) {
            *place = found.get(key).map(|bytes| read(bytes));
        }
        Ok(())
    }

    /// What is left to ask for.
    pub(crate) fn missing(&self, input: &EmbedInput) -> EmbedInput {
        match input {
            EmbedInput::Texts(texts) => EmbedInput::Texts(self.unknown(texts)),
            EmbedInput::Tokens(inputs) => EmbedInput::Tokens(self.unknown(inputs)),
        }
    }

    fn unknown<T: Clone>(&self, inputs: &[T]) -> Vec<T> {
        let inputs = inputs.iter().zip(&self.vectors);
        let unknown = inputs.filter(|(_, known)| known.is_none());
        unknown.map(|(input, _)| input.clone()).collect()
    }

    /// The whole answer, since nothing is left to ask for.
    pub(crate) fn whole(self, model: &str) -> EmbedAnswer {
        EmbedAnswer {
            model: model.to_owned(),
            vectors: self.vectors.into_iter().flatten().collect(),
            usage: Some(Usage::default()),
        }
    }

    /// Puts what was answered for the rest in its places, and keeps it where that is wanted.
    pub(crate) async fn complete(
        self,
        room: &Gateway,
        caller: &InferenceCaller,
        mut answer: EmbedAnswer,
    ) -> (EmbedAnswer, Option<Cached>) {
        if self.wanted == CacheUse::default() {
            return (answer, None);
        }
        if self.wanted.writes
            && let Err(error) = self.keep(room, caller, &answer.vectors).await
        {
            tracing::warn!(%error, "vectors can't be kept in the cache");
        }
        let cached = if self.vectors.iter().any(Option::is_some) {
            Cached::Some
        } else {
            Cached::None
        };
        let mut fresh = answer.vectors.into_iter();
        let places = self.vectors.into_iter();
        answer.vectors = places
            .filter_map(|known| known.or_else(|| fresh.next()))
            .collect();
        (answer, Some(cached))
    }

    async fn keep(
        &self,
        room: &Gateway,
        caller: &InferenceCaller,
        fresh: &[Vec<f32>],
    ) -> Result<(), Error> {
        let keys = self.unknown(&self.keys);
        let vectors: Vec<Vec<u8>> = fresh.iter().map(|vector| written(vector)).collect();
        let mut tx = room.cx.db.begin(scope(caller.principal.tenant)).await?;
        store::keep_vectors(
            &mut tx,
            caller.principal,
            (&keys, &vectors),
            room.cx.clock.now(),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Under which the vector of each text is found again: who made it, of what, of which length.
fn keys(target: &Target, request: &EmbedRequest) -> Vec<Vec<u8>> {
    let mut hash = begin(b"vector 1", target);
    hash.update(request.dimensions.unwrap_or(0).to_be_bytes());
    let key = |kind: &[u8], content: &[u8]| {
        let hash = hash.clone().chain_update(kind).chain_update(content);
        hash.finalize().to_vec()
    };
    match &request.input {
        EmbedInput::Texts(texts) => texts
            .iter()
            .map(|text| key(b"text", text.as_bytes()))
            .collect(),
        EmbedInput::Tokens(inputs) => inputs
            .iter()
            .map(|tokens| {
                let bytes: Vec<u8> = tokens
                    .iter()
                    .flat_map(|token| token.to_be_bytes())
                    .collect();
                key(b"tokens", &bytes)
            })
            .collect(),
    }
}

fn written(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn read(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(texts: &[&str], dimensions: Option<u32>) -> EmbedRequest {
        EmbedRequest {
            model: "by any name".to_owned(),
            input: EmbedInput::Texts(texts.iter().map(|&text| text.to_owned()).collect()),
            dimensions,
        }
    }

    #[test]
    fn a_text_has_one_key_wherever_it_stands() {
        let target = |model: &str| Target {
            model: model.to_owned(),
            ..Target::default()
        };
        let both = keys(&target("a"), &request(&["one", "two"], None));
        let mut turned = keys(&target("a"), &request(&["two", "one"], None));
        turned.reverse();
        assert_eq!(both, turned);
        let short = keys(&target("a"), &request(&["one", "two"], Some(8)));
        let other = keys(&target("b"), &request(&["one", "two"], None));
        assert!(
            both.iter()
                .all(|key| !short.contains(key) && !other.contains(key))
        );
        let tokens = EmbedRequest {
            input: EmbedInput::Tokens(vec![vec![1, 2], vec![1]]),
            ..request(&[], None)
        };
        let tokens = keys(&target("a"), &tokens);
        assert_ne!(tokens.first(), tokens.last());
    }

    #[test]
    fn a_vector_is_read_as_it_was_written() {
        let vector = [0.25, -1.0, f32::MIN_POSITIVE, 3.5e30];
        assert_eq!(read(&written(&vector)), vector);
    }
}
