//! Runs by their words: read newest first, opened here and compared letter by letter, since the database can't read them.

use std::collections::HashMap;

use identity::Principal;
use kernel::{Cursor, Page, PageRequest};
use unicode_normalization::UnicodeNormalization as _;

use super::{Filter, HistoryItem, Listed, named, store, words, words::Words};
use crate::{Error, Gateway, RunId};

/// The most runs that one search looks at; who wants more goes on from there.
const MOST_RUNS: usize = 5_000;
/// The most bytes of words that one search reads, more or less.
const MOST_BYTES: i64 = 32 * 1024 * 1024;
/// Runs that are read at once: few at first, since the newest are what is mostly looked for.
const FIRST_RUNS: i64 = 50;
const RUNS: i64 = 500;
/// Bytes of their words that are read at once.
const BYTES: i64 = 1024 * 1024;

/// The newest runs that are meant and have the words in them.
pub(super) async fn search(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
    (filter, text): (&Filter, &str),
    page: &PageRequest,
) -> Result<Page<HistoryItem>, Error> {
    let wanted = fold(text);
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found: Vec<(Listed, Words)> = Vec::new();
    let (mut looked_at, mut bytes) = (0, 0);
    let mut after = page.after;
    let (mut at_once, mut is_more) = (FIRST_RUNS, true);
    let mut tx = room.cx.db.read(caller.scope()).await?;
    while is_more && found.len() < most && looked_at < MOST_RUNS && bytes < MOST_BYTES {
        let some = PageRequest {
            limit: at_once,
            after,
        };
        let mut rows = store::list(&mut tx, storefront, filter, &some).await?;
        is_more = fits(&mut rows, at_once);
        at_once = (at_once * 3).min(RUNS);
        bytes += rows.iter().map(|row| row.bytes).sum::<i64>();
        let mut opened = words::open(&mut tx, room, &rows).await?;
        for row in rows {
            if found.len() == most {
                is_more = true;
                break;
            }
            after = Some(place(&row));
            looked_at += 1;
            if let Some(words) = opened.remove(&row.row.id)
                && words.all().any(|said| fold(said).contains(&wanted))
            {
                found.push((row, words));
            }
        }
    }
    tx.commit().await?;
    let (rows, words): (Vec<Listed>, HashMap<RunId, Words>) = found
        .into_iter()
        .map(|(row, words)| {
            let id = row.row.id;
            (row, (id, words))
        })
        .unzip();
    let next = after.filter(|_| is_more);
    Ok(Page {
        items: named(room, caller, rows, words).await?,
        next_cursor: next.map(|cursor| cursor.encode()),
    })
}

fn place(row: &Listed) -> Cursor {
    Cursor {
        at: row.row.created_at,
        id: row.row.id.0,
    }
}

/// Leaves as many rows as are read at once, one at least; says whether there are more.
fn fits(rows: &mut Vec<Listed>, at_once: i64) -> bool {
    let count = rows.len();
    let most = usize::try_from(at_once).unwrap_or(usize::MAX);
    let mut bytes = 0;
    let fitting = rows.iter().take_while(|row| {
        let fits = bytes < BYTES;
        bytes += row.bytes;
        fits
    });
    let fitting = fitting.count().min(most);
    rows.truncate(fitting);
    fitting < count
}

/// Letters as a search compares them: of one width, one case, one kana.
fn fold(text: &str) -> String {
    let wide = text.nfkc().flat_map(char::to_lowercase);
    wide.map(|c| match c {
        'ァ'..='ヶ' => u32::from(c)
            .checked_sub(0x60)
            .and_then(char::from_u32)
            .unwrap_or(c),
        _ => c,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_and_kana_make_no_difference() {
        for (one, other) in [
            ("コーヒー", "こーひー"),
            ("ＴＥＡ", "tea"),
            ("ｶﾞｷﾞ", "がぎ"),
            ("ヴヵヶ", "ゔゕゖ"),
            ("①㌔", "1きろ"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("あ"), fold("い"));
    }
}
