//! A card in a picture: the text chunks `chara` (version 2) and `ccv3` (version 3) of a PNG file, in base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The picture that cards of the house are handed out in.
const OURS: &[u8] = include_bytes!("../../persona/misaki.png");
/// The most chunks that are looked at.
const MOST: usize = 10_000;

/// A chunk of a file: its kind and its data.
struct Chunk<'a> {
    kind: &'a [u8],
    data: &'a [u8],
    whole: &'a [u8],
}

fn chunks(file: &[u8]) -> Option<Vec<Chunk<'_>>> {
    let mut rest = file.strip_prefix(SIGNATURE)?;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let end = usize::try_from(length).ok()?.checked_add(8)?;
        let (body, sum) = (rest.get(4..end)?, rest.get(end..end + 4)?);
        if crc32fast::hash(body).to_be_bytes() != sum || chunks.len() >= MOST {
            return None;
        }
        let (kind, data) = body.split_at(4);
        let (whole, next) = rest.split_at(end + 4);
        rest = next;
        chunks.push(Chunk { kind, data, whole });
        if kind == b"IEND" {
            return Some(chunks);
        }
    }
    None
}

/// The card in a picture, its third version if it has both.
pub(super) fn read(file: &[u8]) -> Option<Value> {
    let chunks = chunks(file)?;
    let text = |wanted: &[u8]| {
        let data = chunks
            .iter()
            .filter(|chunk| chunk.kind == b"tEXt")
            .find_map(|chunk| {
                let at = chunk.data.iter().position(|byte| *byte == 0)?;
                let (word, rest) = chunk.data.split_at(at);
                (word == wanted).then(|| rest.get(1..)).flatten()
            })?;
        serde_json::from_slice(&STANDARD.decode(data).ok()?).ok()
    };
    text(b"ccv3").or_else(|| text(b"chara"))
}

/// The picture of the house with a card in it, in both versions.
pub(super) fn write(v2: &Value, v3: &Value) -> Vec<u8> {
    let mut file = SIGNATURE.to_vec();
    for chunk in chunks(OURS).unwrap_or_default() {
        if chunk.kind == b"IEND" {
            for (word, card) in [("chara", v2), ("ccv3", v3)] {
                let mut body = b"tEXt".to_vec();
                body.extend_from_slice(word.as_bytes());
                body.push(0);
                body.extend_from_slice(STANDARD.encode(card.to_string()).as_bytes());
                let length = u32::try_from(body.len() - 4).unwrap_or_default();
                file.extend_from_slice(&length.to_be_bytes());
                file.extend_from_slice(&body);
                file.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
            }
        }
        file.extend_from_slice(chunk.whole);
    }
    file
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_goes_into_a_picture_and_comes_out_again() {
        let (v2, v3) = (
            json!({ "spec": "chara_card_v2", "n": "みさき" }),
            json!({ "spec": "chara_card_v3" }),
        );
        let file = write(&v2, &v3);
        assert_eq!(read(&file), Some(v3));
        // without the newer chunk the older one is read
        let at = file.windows(4).position(|part| part == b"ccv3").unwrap();
        let mut older = file.clone();
        older.splice(at..at + 4, *b"none");
        let start = at - 4;
        let end = older.len() - 12 - 4;
        let sum = crc32fast::hash(&older[start..end]).to_be_bytes();
        older.splice(end..end + 4, sum);
        assert_eq!(read(&older), Some(v2));
    }

    #[test]
    fn what_is_broken_or_no_picture_has_no_card() {
        let file = write(&json!({}), &json!({}));
        assert_eq!(read(OURS), None);
        assert_eq!(read(b""), None);
        assert_eq!(read(b"GIF89a"), None);
        for cut in [9, 20, file.len() / 2, file.len() - 1] {
            assert_eq!(read(&file[..cut]), None, "{cut}");
        }
        let mut bent = file;
        let middle = bent.len() - 30;
        bent[middle] ^= 1;
        assert_eq!(read(&bent), None);
        let mut endless = SIGNATURE.to_vec();
        endless.extend_from_slice(&[0xff; 16]);
        assert_eq!(read(&endless), None);
    }
}
