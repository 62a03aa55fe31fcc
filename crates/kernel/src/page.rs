use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What to read of a list: at most `limit` rows after `after`, newest first.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// 1 to 100.
    pub limit: i64,
    pub after: Option<Cursor>,
}

/// One page of a list. There are no totals: they cost a scan and are stale when read.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Pass it back as `cursor`; `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` rows; the extra row only says that there is more.
    pub fn from_rows(
        mut rows: Vec<T>,
        request: &PageRequest,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more {
            rows.last().map(|row| cursor(row).encode())
        } else {
            None
        };
        Self {
            items: rows,
            next_cursor,
        }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

/// The place after one row in the order (time, id), which is stable while rows are inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: DateTime<Utc>,
    pub id: Uuid,
}

/// The text is not a cursor of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a cursor")]
pub struct BadCursor;

impl Cursor {
    pub fn encode(&self) -> String {
        let mut bytes = [0_u8; 24];
        let (time, id) = bytes.split_at_mut(8);
        time.copy_from_slice(&self.at.timestamp_micros().to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn decode(text: &str) -> Result<Self, BadCursor> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| BadCursor)?
            .try_into()
            .map_err(|_| BadCursor)?;
        let (time, id) = bytes.split_at(8);
        let micros = i64::from_be_bytes(time.try_into().map_err(|_| BadCursor)?);
        Ok(Self {
            at: DateTime::from_timestamp_micros(micros).ok_or(BadCursor)?,
            id: Uuid::from_slice(id).map_err(|_| BadCursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(n: i64) -> Cursor {
        Cursor {
            at: DateTime::from_timestamp_micros(n).unwrap(),
            id: Uuid::from_u128(7),
        }
    }

    #[test]
    fn cursors_read_back_and_refuse_rubbish() {
        assert_eq!(
            Cursor::decode(&cursor(1_700_000_000_123_456).encode()).unwrap(),
            cursor(1_700_000_000_123_456)
        );
        for bad in ["", "x", "////", &"A".repeat(31), &"A".repeat(33)] {
            assert!(Cursor::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_knows_whether_there_is_more() {
        let request = PageRequest {
            limit: 2,
            after: None,
        };
        let full = Page::from_rows(vec![3, 2, 1], &request, |n| cursor(*n));
        assert_eq!(full.items, [3, 2]);
        assert_eq!(full.next_cursor, Some(cursor(2).encode()));
        assert_eq!(
            Page::from_rows(vec![2, 1], &request, |n| cursor(*n)).next_cursor,
            None
        );
    }
}
