use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use kernel::Text;

use crate::problem::{Problem, Taken};

/// The largest window of zstd in powers of two, the same that browsers take (RFC 9659): what a frame asks for is set aside before
/// its first byte.
const WINDOW: u32 = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a body can't be unfolded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Folded {
    TooLarge,
    Broken,
}

impl Encoding {
    /// How a body was compressed, if it was.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut found = None;
        for named in headers.get_all(header::CONTENT_ENCODING) {
            for name in named.as_bytes().split(|byte| *byte == b',') {
                let encoding = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                    b"" | b"identity" => continue,
                    b"gzip" | b"x-gzip" => Self::Gzip,
                    b"deflate" => Self::Deflate,
                    b"br" => Self::Brotli,
                    b"zstd" => Self::Zstd,
                    _ => return Err(unsupported(Taken::Compressed)),
                };
                // one in another is what bombs are made of
                if found.replace(encoding).is_some() {
                    return Err(unsupported(Taken::Compressed));
                }
            }
        }
        Ok(found)
    }

    /// Unfolds a body, and stops where it has more than so many bytes.
    pub(crate) fn unfold(self, body: &[u8], limit: usize) -> Result<Vec<u8>, Folded> {
        let read = match self {
            Self::Gzip => read(MultiGzDecoder::new(body), limit),
            Self::Deflate if has_zlib_head(body) => read(ZlibDecoder::new(body), limit),
            // as some clients understand the word
            Self::Deflate => read(DeflateDecoder::new(body), limit),
            Self::Brotli => read(brotli_decompressor::Decompressor::new(body, 4096), limit),
            Self::Zstd => zstd::Decoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(WINDOW)?;
                read(decoder, limit)
            }),
        };
        let read = read.map_err(|_| Folded::Broken)?;
        if read.len() > limit {
            return Err(Folded::TooLarge);
        }
        Ok(read)
    }
}

fn read(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut read = Vec::new();
    from.take(most).read_to_end(&mut read)?;
    Ok(read)
}

/// RFC 1950 §2.2: the method, and a check over the first two bytes.
fn has_zlib_head(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// Refuses a compressed body where the bytes themselves are read.
///
/// # Errors
/// `unsupported_encoding`.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match Encoding::of(headers) {
        Ok(None) => Ok(()),
        _ => Err(unsupported(Taken::AsTheyAre)),
    }
}

fn unsupported(taken: Taken) -> Problem {
    let named = taken.as_str();
    Problem::new(
        415,
        "unsupported_encoding",
        Text::owned(
            format!("このContent-Encodingは受け付けていません。使えるもの: {named}"),
            format!("This Content-Encoding is not taken here. What is: {named}"),
        ),
    )
    .taking(taken)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn folded(text: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(text).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 9, 22)
            .write_all(text)
            .unwrap();
        vec![
            (Encoding::Gzip, gzip.finish().unwrap()),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, raw.finish().unwrap()),
            (Encoding::Brotli, brotli),
            (Encoding::Zstd, zstd::encode_all(text, 3).unwrap()),
        ]
    }

    #[test]
    fn what_was_folded_unfolds_up_to_the_limit_and_not_when_it_is_broken() {
        let text = "暖簾をくぐる。".repeat(1000).into_bytes();
        for (encoding, body) in folded(&text) {
            assert_eq!(encoding.unfold(&body, text.len()), Ok(text.clone()));
            assert_eq!(
                encoding.unfold(&body, text.len() - 1),
                Err(Folded::TooLarge)
            );
            let cut = &body[..body.len() / 2];
            assert_eq!(
                encoding.unfold(cut, text.len()),
                Err(Folded::Broken),
                "{encoding:?} that was cut"
            );
            assert_eq!(
                encoding.unfold(b"\xff\xffnothing of it", 1000),
                Err(Folded::Broken)
            );
        }
    }

    #[test]
    fn a_frame_that_wants_a_large_window_gets_none() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"hello").unwrap();
        let body = encoder.finish().unwrap();
        assert_eq!(Encoding::Zstd.unfold(&body, 100), Err(Folded::Broken));
    }

    #[test]
    fn one_known_encoding_is_taken() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            Encoding::of(&headers).map_err(|problem| (problem.status.as_u16(), problem.taken))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        assert_eq!(of(&["GZIP"]), Ok(Some(Encoding::Gzip)));
        assert_eq!(of(&["identity, x-gzip"]), Ok(Some(Encoding::Gzip)));
        assert_eq!(of(&["zstd"]), Ok(Some(Encoding::Zstd)));
        for refused in [
            &["compress"][..],
            &["gzip, gzip"],
            &["gzip", "br"],
            &["gzip;q=1"],
        ] {
            assert_eq!(
                of(refused),
                Err((415, Some(Taken::Compressed))),
                "{refused:?}"
            );
        }
    }
}
