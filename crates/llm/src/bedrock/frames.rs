//! The binary event stream of AWS: frames with checksums.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> (the framing is the same) and
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>. A frame: total length, length of the headers, checksum of these
//! eight bytes, headers, payload, checksum of everything before it; numbers big-endian, checksums CRC-32 as in gzip.

use crate::CodecError;

/// The largest frame; the service sends none over 16 MiB, and a piece of text is far smaller.
const LIMIT: usize = 1 << 20;
/// Prelude and last checksum.
const LEAST: usize = 16;

/// One frame, as far as it is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// `event`, `exception` or `error`.
    pub(crate) message_type: String,
    /// The kind of the event or exception, or the code of the error.
    pub(crate) kind: String,
    /// The words of an error.
    pub(crate) error: String,
    /// JSON as a rule.
    pub(crate) payload: Vec<u8>,
}

/// Cuts bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Takes the next bytes and hands each completed frame to `sink`, in order, until it refuses one.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(Frame) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.held.extend_from_slice(bytes);
        let mut from = 0;
        let mut result = Ok(());
        while let Some(rest) = self.held.get(from..) {
            match next(rest) {
                Ok(Some((frame, length))) => {
                    from += length;
                    if let Err(fault) = sink(frame) {
                        result = Err(fault);
                        break;
                    }
                }
                Ok(None) => break,
                Err(fault) => {
                    result = Err(fault);
                    break;
                }
            }
        }
        self.held.drain(..from.min(self.held.len()));
        result
    }

    /// Tells whether no frame is half here.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// Reads one frame from the front; none if it isn't all there.
fn next(bytes: &[u8]) -> Result<Option<(Frame, usize)>, CodecError> {
    let (Some(total), Some(headers), Some(sum)) =
        (number(bytes, 0), number(bytes, 4), number(bytes, 8))
    else {
        return Ok(None);
    };
    let (total, headers) = (total as usize, headers as usize);
    if bytes.get(..8).map(crc32fast::hash) != Some(sum) {
        return Err(CodecError::garbled("wrong checksum of a prelude"));
    }
    if total > LIMIT {
        return Err(CodecError::garbled("frame too long"));
    }
    if total < LEAST || headers > total - LEAST {
        return Err(CodecError::garbled("lengths of a frame disagree"));
    }
    let Some(frame) = bytes.get(..total) else {
        return Ok(None);
    };
    let end = total - 4;
    if frame.get(..end).map(crc32fast::hash) != number(frame, end) {
        return Err(CodecError::garbled("wrong checksum of a frame"));
    }
    let (Some(headers), Some(payload)) =
        (frame.get(12..12 + headers), frame.get(12 + headers..end))
    else {
        return Err(CodecError::garbled("lengths of a frame disagree"));
    };
    let mut read = read_headers(headers).ok_or_else(|| CodecError::garbled("broken headers"))?;
    read.payload = payload.to_vec();
    Ok(Some((read, total)))
}

fn read_headers(mut bytes: &[u8]) -> Option<Frame> {
    let mut frame = Frame {
        message_type: String::new(),
        kind: String::new(),
        error: String::new(),
        payload: Vec::new(),
    };
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            6 | 7 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            9 => (16, rest),
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        if *kind == 7 {
            let value = std::str::from_utf8(value).ok()?;
            let place = match name {
                b":message-type" => &mut frame.message_type,
                b":event-type" | b":exception-type" | b":error-code" => &mut frame.kind,
                b":error-message" => &mut frame.error,
                _ => continue,
            };
            value.clone_into(place);
        }
    }
    Some(frame)
}
