//! Server-sent events, read as bytes arrive (WHATWG HTML, section 9.2).
//!
//! A push parser without IO: the crates on offer are adaptors of an asynchronous stream, which a pure codec can't be.
//! Only the `data` of events is kept, since no provider needs `id` or `retry`, and `event` repeats what the data says.

use memchr::memchr2;

use crate::CodecError;

/// The longest line, and the most data in one event: as much as an answer in one piece may have, since the last event of OpenAI's
/// Responses API repeats the whole of it, with its instructions and tools.
const LIMIT: usize = 32 << 20;

/// Cuts bytes into the data of events.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The data of the event so far. Its room, and that of the line, serve the next.
    data: String,
    has_data: bool,
    after_cr: bool,
    begun: bool,
}

impl Parser {
    /// Takes the next bytes and hands each completed event's data to `sink`, in order, until it refuses one.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&str) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // CRLF is one line end, also when the two bytes come apart.
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix(b"\n")
            {
                rest = after;
                continue;
            }
            let end = memchr2(b'\r', b'\n', rest);
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len() + part.len() > LIMIT {
                return Err(CodecError::garbled("line too long"));
            }
            let Some((end, after)) = after.split_first() else {
                self.line.extend_from_slice(part);
                break;
            };
            self.after_cr = *end == b'\r';
            rest = after;
            if self.line.is_empty() {
                self.end_line(part, &mut sink)?;
            } else {
                self.line.extend_from_slice(part);
                self.end_begun_line(&mut sink)?;
            }
        }
        Ok(())
    }

    /// Takes the end of the stream as the end of line and event.
    ///
    /// The standard drops an event without its blank line; servers that forget it after their last event are common.
    pub(crate) fn finish(
        mut self,
        mut sink: impl FnMut(&str) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        if !self.line.is_empty() {
            self.end_begun_line(&mut sink)?;
        }
        self.end_line(&[], &mut sink)
    }

    fn end_begun_line(
        &mut self,
        sink: &mut impl FnMut(&str) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let mut bytes = std::mem::take(&mut self.line);
        let ended = self.end_line(&bytes, sink);
        bytes.clear();
        self.line = bytes;
        ended
    }

    fn end_line(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&str) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let line = std::str::from_utf8(bytes).map_err(|_| CodecError::garbled("not UTF-8"))?;
        let line = if self.begun {
            line
        } else {
            self.begun = true;
            line.strip_prefix('\u{feff}').unwrap_or(line)
        };
        if line.is_empty() {
            self.has_data = false;
            let taken = if self.data.is_empty() {
                Ok(())
            } else {
                sink(&self.data)
            };
            self.data.clear();
            return taken;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field != "data" {
            return Ok(()); // a comment (empty field) or a field that says nothing here
        }
        let value = value.strip_prefix(' ').unwrap_or(value);
        if std::mem::replace(&mut self.has_data, true) {
            if self.data.len() + value.len() >= LIMIT {
                return Err(CodecError::garbled("event too long"));
            }
            self.data.push('\n');
        }
        self.data.push_str(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, CodecError> {
        let mut out = Vec::new();
        let mut parser = Parser::default();
        parser.push(bytes, |data| {
            out.push(data.to_owned());
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn every_line_end_ends_a_line() {
        let want = vec!["a".to_owned(), "b".to_owned()];
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data: a\r\rdata: b\r\r",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(want.clone()), "{text:?}");
        }
    }

    #[test]
    fn lines_of_one_event_are_joined() {
        assert_eq!(
            read(b"data: a\ndata:b\ndata:  c\n\n"),
            Ok(vec!["a\nb\n c".to_owned()])
        );
    }

    #[test]
    fn comments_other_fields_and_empty_events_tell_nothing() {
        assert_eq!(
            read(b"\xef\xbb\xbf: hi\n\nevent: x\nid: 1\nretry: 5\n\ndata\n\ndata: a\n\n"),
            Ok(vec!["a".to_owned()])
        );
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut parser = Parser::default();
        let part = vec![b'x'; 1 << 16];
        let refused = (0..=LIMIT / part.len()).find_map(|_| parser.push(&part, |_| Ok(())).err());
        assert_eq!(refused, Some(CodecError::garbled("line too long")));
    }

    #[test]
    fn an_event_of_very_many_lines_is_refused() {
        let line = format!("data: {}\n", "x".repeat(1 << 16));
        let refused = read(line.repeat(LIMIT >> 16).as_bytes());
        assert_eq!(refused, Err(CodecError::garbled("event too long")));
    }
}
