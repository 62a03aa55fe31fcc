//! The words in square brackets that steer the stand-in.

/// The most chunks that may be asked for.
const MOST_CHUNKS: usize = 5000;

/// What a message asks of the stand-in.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a tell of its own, and they combine freely"
)]
pub(super) struct Tells {
    pub(super) fail: bool,
    pub(super) fail_after: Option<usize>,
    pub(super) stall: bool,
    pub(super) slow: bool,
    pub(super) garble: bool,
    pub(super) too_many: bool,
    pub(super) long: Option<usize>,
    pub(super) about: bool,
    pub(super) files: bool,
    /// Tokens that are counted before anything is said.
    pub(super) think: u64,
    /// The message without its tells.
    pub(super) rest: String,
}

impl Tells {
    /// Reads the tells of a message; brackets with other words stay words.
    pub(super) fn read(text: &str) -> Self {
        let mut tells = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('[') {
            tells.rest.push_str(before);
            match after.split_once(']') {
                Some((tell, next)) if tells.take(tell) => rest = next,
                _ => {
                    tells.rest.push('[');
                    rest = after;
                }
            }
        }
        tells.rest.push_str(rest);
        tells
    }

    fn take(&mut self, tell: &str) -> bool {
        let mut words = tell.split_ascii_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("fail"), None, ..) => self.fail = true,
            (Some("stall"), None, ..) => self.stall = true,
            (Some("slow"), None, ..) => self.slow = true,
            (Some("garble"), None, ..) => self.garble = true,
            (Some("429"), None, ..) => self.too_many = true,
            (Some("about"), None, ..) => self.about = true,
            (Some("files"), None, ..) => self.files = true,
            (Some("long"), Some(count), None, _) => match count.parse::<usize>() {
                Ok(count) => self.long = Some(count.clamp(1, MOST_CHUNKS)),
                Err(_) => return false,
            },
            (Some("think"), Some(count), None, _) => match count.parse::<u16>() {
                Ok(count) => self.think = count.into(),
                Err(_) => return false,
            },
            (Some("fail"), Some("after"), Some(count), None) => match count.parse() {
                Ok(count) => self.fail_after = Some(count),
                Err(_) => return false,
            },
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_are_read_and_taken_out() {
        let tells = Tells::read("ねえ [slow][long 12] 聞いて[fail after 5][think 9]");
        assert_eq!(
            tells,
            Tells {
                slow: true,
                long: Some(12),
                fail_after: Some(5),
                think: 9,
                rest: "ねえ  聞いて".into(),
                ..Tells::default()
            }
        );
    }

    #[test]
    fn other_brackets_are_words() {
        for text in [
            "[hello] [",
            "[long x]",
            "[think -1]",
            "[fail after]",
            "[fail after 5 6]",
            "a]b",
            "[[stall",
        ] {
            let want = Tells {
                rest: text.into(),
                ..Tells::default()
            };
            assert_eq!(Tells::read(text), want, "{text}");
        }
        assert!(Tells::read("[[stall]").stall);
    }

    #[test]
    fn a_very_long_wish_is_bounded() {
        assert_eq!(Tells::read("[long 99999999]").long, Some(MOST_CHUNKS));
        assert_eq!(Tells::read("[long 0]").long, Some(1));
    }
}
