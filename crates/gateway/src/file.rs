//! Files that callers bring for batches, and those that batches leave. They are read and written by the line, so that no
//! process ever holds a whole one.

pub(crate) mod http;
pub(crate) mod store;

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use db::Scope;
use futures::Stream;
use identity::{Principal, TenantId};
use llm::{Refusal, RefusalKind};
use multer::{Constraints, Multipart, SizeLimit};
use seal::{Resealed, Vault};
use secrecy::ExposeSecret;
use sqlx::PgConnection;

use crate::{Error, Gateway, dialect::Turned};

kernel::id!(
    /// A file of lines.
    FileId, "file"
);

/// The largest file, in bytes.
const LARGEST: usize = 20 * 1024 * 1024;
/// The most lines of a file.
const MOST_LINES: i32 = 10_000;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;
/// The most files of a tenant that it brought itself.
const MOST_FILES: i64 = 100;
/// How many bytes are written at once.
const PIECE: usize = 256 * 1024;
/// A file has to arrive whole within this time, however slowly it drips.
const ARRIVAL: Duration = Duration::from_mins(3);
/// When a file that never arrived whole is cleared away.
const ABANDONED: chrono::Duration = chrono::Duration::hours(1);
/// How long a file stays unless its caller says less.
pub(crate) const KEPT_SECONDS: i32 = 30 * 24 * 3600;
const SHORTEST_KEPT: i32 = 3600;

/// A file without what is in it.
#[derive(Clone, Debug)]
pub(crate) struct FileCard {
    pub(crate) id: FileId,
    pub(crate) purpose: String,
    pub(crate) filename: String,
    pub(crate) bytes: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Reads for how long something is to be kept.
pub(crate) fn kept_seconds(seconds: i64) -> Option<i32> {
    let seconds = i32::try_from(seconds).ok()?;
    (SHORTEST_KEPT..=KEPT_SECONDS)
        .contains(&seconds)
        .then_some(seconds)
}

/// Cuts what arrives into lines.
#[derive(Debug, Default)]
struct Cutter {
    begun: Vec<u8>,
    whole: Vec<Vec<u8>>,
    /// What of `whole` is waiting to be written, in bytes.
    waiting: usize,
    bytes: usize,
    lines: i32,
}

impl Cutter {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.bytes += chunk.len();
        if self.bytes > LARGEST {
            return Err(too_large("A file has at most 20 MiB."));
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if self.begun.len() > LONGEST_LINE {
                return Err(too_large("A line has at most 1 MiB."));
            }
            if part.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        if self.begun.is_empty() {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > MOST_LINES {
            return Err(too_large("A file has at most 10,000 lines."));
        }
        self.waiting += self.begun.len();
        self.whole.push(std::mem::take(&mut self.begun));
        Ok(())
    }

    /// The lines that are whole, with the number of the first.
    fn give(&mut self) -> (i32, Vec<Vec<u8>>) {
        self.waiting = 0;
        let whole = std::mem::take(&mut self.whole);
        let count = i32::try_from(whole.len()).unwrap_or(i32::MAX);
        (self.lines - count + 1, whole)
    }
}

fn too_large(message: &str) -> Refusal {
    Refusal::new(RefusalKind::TooLarge, message).coded("file_too_large")
}

/// What a form says beside the file.
#[derive(Debug, Default)]
struct Form {
    purpose: Option<String>,
    anchor: Option<String>,
    seconds: Option<String>,
    filename: Option<String>,
}

impl Form {
    /// How long it is to be kept, once all was said.
    fn kept(&self) -> Result<i32, Refusal> {
        match self.purpose.as_deref() {
            Some("batch") => {}
            None => return Err(Refusal::at("/purpose", "This is missing.")),
            Some(_) => return Err(Refusal::at("/purpose", "Files are for batches: `batch`.")),
        }
        if self.filename.is_none() {
            return Err(Refusal::at("/file", "This is missing."));
        }
        match (self.anchor.as_deref(), self.seconds.as_deref()) {
            (None, None) => Ok(KEPT_SECONDS),
            (Some("created_at"), Some(seconds)) => {
                seconds.parse().ok().and_then(kept_seconds).ok_or_else(|| {
                    Refusal::at("/expires_after/seconds", "This has to be 3600 to 2592000.")
                })
            }
            _ => Err(Refusal::at(
                "/expires_after",
                "This has to be the anchor `created_at` and a number of seconds.",
            )),
        }
    }
}

/// Takes a file from a form as it arrives. What does not arrive whole is cleared away later.
async fn receive(
    room: &Gateway,
    caller: Principal,
    boundary: String,
    body: Body,
) -> Result<FileCard, Turned> {
    let cx = &room.cx;
    let (id, now): (FileId, _) = (cx.ids.new_id(), cx.clock.now());
    let mut tx = cx.db.begin(caller.scope()).await?;
    let has_room = store::insert(
        &mut tx,
        (id, caller.tenant),
        (now, now + ABANDONED),
        MOST_FILES,
    );
    let has_room = has_room.await?;
    tx.commit().await?;
    if !has_room {
        let message = "There are 100 files already. Please delete some.";
        return Err(Refusal::new(RefusalKind::Conflict, message)
            .coded("too_many_files")
            .into());
    }
    let reading = read(
        room,
        caller,
        id,
        multipart(boundary, body.into_data_stream()),
    );
    let read = tokio::time::timeout(ARRIVAL, reading).await;
    let read = read.unwrap_or_else(|_| {
        Err(Refusal::new(RefusalKind::TimedOut, "The file took too long to arrive.").into())
    });
    let judged = read.and_then(|(form, cutter)| {
        let kept = form.kept()?;
        Ok((form, cutter, kept))
    });
    let (form, cutter, kept) = match judged {
        Ok(judged) => judged,
        Err(turned) => {
            let mut tx = cx.db.begin(caller.scope()).await?;
            store::delete(&mut tx, id).await?;
            tx.commit().await?;
            return Err(turned);
        }
    };
    let card = FileCard {
        id,
        purpose: "batch".to_owned(),
        filename: form.filename.unwrap_or_default(),
        bytes: i64::try_from(cutter.bytes).unwrap_or(i64::MAX),
        created_at: now,
        expires_at: now + chrono::Duration::seconds(kept.into()),
    };
    let mut tx = cx.db.begin(caller.scope()).await?;
    store::finish(&mut tx, &card, cutter.lines).await?;
    tx.commit().await?;
    Ok(card)
}

fn multipart(boundary: String, body: BodyDataStream) -> Multipart<'static> {
    let whole = u64::try_from(LARGEST + 64 * 1024).unwrap_or(u64::MAX);
    let limits = SizeLimit::new().whole_stream(whole).per_field(whole);
    let names = vec![
        "purpose",
        "file",
        "expires_after[anchor]",
        "expires_after[seconds]",
    ];
    let limits = Constraints::new().size_limit(limits).allowed_fields(names);
    Multipart::with_constraints(body, boundary, limits)
}

async fn read(
    room: &Gateway,
    caller: Principal,
    id: FileId,
    mut parts: Multipart<'static>,
) -> Result<(Form, Cutter), Turned> {
    let (mut form, mut cutter) = (Form::default(), Cutter::default());
    while let Some(mut field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            let mut said = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(broken)? {
                said.extend_from_slice(&chunk);
                if said.len() > 100 {
                    return Err(Refusal::at(format!("/{name}"), "This is too long.").into());
                }
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            match name.as_str() {
                "purpose" => form.purpose = Some(said),
                "expires_after[anchor]" => form.anchor = Some(said),
                _ => form.seconds = Some(said),
            }
            continue;
        }
        if form.filename.is_some() {
            return Err(Refusal::at("/file", "One file at a time.").into());
        }
        form.filename = Some(plain(field.file_name().unwrap_or("batch.jsonl")));
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            cutter.take(&chunk)?;
            if cutter.waiting > PIECE {
                write(room, caller, id, &mut cutter).await?;
            }
        }
        cutter.end_line()?;
        write(room, caller, id, &mut cutter).await?;
    }
    Ok((form, cutter))
}

async fn write(
    room: &Gateway,
    caller: Principal,
    id: FileId,
    cutter: &mut Cutter,
) -> Result<(), Turned> {
    let (first, lines) = cutter.give();
    let numbers: Vec<i32> = (first..).take(lines.len()).collect();
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let vault = room.identity.vault();
    store::insert_lines(&mut tx, vault, (id, caller.tenant), &numbers, &lines).await?;
    tx.commit().await?;
    Ok(())
}

/// A name without what can't be shown.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(255).collect()
}

fn broken(error: multer::Error) -> Turned {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            too_large("A file has at most 20 MiB.")
        }
        multer::Error::UnknownField { field_name } => {
            let name = field_name.unwrap_or_default();
            Refusal::at(format!("/{name}"), "There is no such field.")
        }
        _ => Refusal::new(
            RefusalKind::Invalid,
            "The form can't be read, or it ended early.",
        ),
    }
    .into()
}

/// A file of the caller's tenant.
pub(crate) async fn find(conn: &mut PgConnection, id: FileId) -> Result<FileCard, Turned> {
    Ok(store::find(conn, id).await?.ok_or_else(not_found)?)
}

pub(crate) fn not_found() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "There is no such file.").coded("file_not_found")
}

/// Where alone a line opens.
fn place((file, tenant): (FileId, TenantId), line: i32) -> String {
    format!("gateway.file:{}:{}:{line}", tenant.0, file.0)
}

fn seal_line(
    vault: &Vault,
    whose: (FileId, TenantId),
    line: i32,
    data: &[u8],
) -> Result<Vec<u8>, Error> {
    Ok(vault.seal(&place(whose, line), data)?)
}

/// A line as it was brought.
fn open_line(
    vault: &Vault,
    whose: (FileId, TenantId),
    line: i32,
    (data, is_sealed): (Vec<u8>, bool),
) -> Result<Vec<u8>, Error> {
    if !is_sealed {
        return Ok(data);
    }
    let opened = vault.open(&place(whose, line), &data).map_err(|error| {
        tracing::error!(file = %whose.0, line, %error, "a line of a file does not open");
        Error::TextClosed
    })?;
    Ok(opened.expose_secret().to_vec())
}

/// What came of sealing some lines anew.
#[derive(Debug)]
pub(crate) struct ResealedLines {
    pub(crate) resealed: Resealed,
    /// The last that was looked at; none where there was none.
    pub(crate) last: Option<(uuid::Uuid, i32)>,
}

/// Seals some lines under the first key that are not.
pub(crate) async fn reseal_lines(
    conn: &mut PgConnection,
    vault: &Vault,
    prefix: &[u8],
    after: (uuid::Uuid, i32),
    most: i64,
) -> Result<ResealedLines, Error> {
    let found = store::otherwise(conn, prefix, after, most).await?;
    let last = found.last().map(|row| (row.file.0, row.line));
    let mut resealed = Resealed::default();
    for row in found {
        let whose = (row.file, row.tenant);
        match open_line(vault, whose, row.line, (row.data, row.is_sealed)) {
            Ok(data) => {
                let sealed = seal_line(vault, whose, row.line, &data)?;
                store::reseal(conn, row.file, row.line, &sealed).await?;
                resealed.done += 1;
            }
            Err(_) => resealed.closed += 1,
        }
    }
    Ok(ResealedLines { resealed, last })
}

/// What is in a file, some lines at a time.
fn content(
    room: Gateway,
    caller: Principal,
    id: FileId,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    async_stream::try_stream! {
        let mut last = 0;
        loop {
            let mut tx = room.cx.db.begin(caller.scope()).await?;
            let lines = store::lines(&mut tx, room.identity.vault(), id, last).await?;
            tx.commit().await?;
            let Some((newest, _)) = lines.last() else { break };
            last = *newest;
            for (_, line) in lines {
                yield Bytes::from(line);
            }
        }
    }
}

/// Removes files whose time is over, at most `most` of them; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn forget_files(room: &Gateway, most: i64) -> Result<u64, Error> {
    let mut tx = room.cx.db.begin(Scope::House("old files")).await?;
    let gone = store::delete_due(&mut tx, room.cx.clock.now(), most).await?;
    tx.commit().await?;
    Ok(gone)
}

/// Removes what is kept of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\n\r\nthree\nlast";
        for size in 1..text.len() {
            let mut cutter = Cutter::default();
            for chunk in text.chunks(size) {
                cutter.take(chunk).unwrap();
            }
            cutter.end_line().unwrap();
            let (first, lines) = cutter.give();
            assert_eq!((first, lines.concat().as_slice()), (1, &text[..]));
            assert_eq!(lines.len(), 4, "{size}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_whole() {
        let kind = |refused: Result<(), Refusal>| refused.unwrap_err().kind;
        let mut cutter = Cutter::default();
        assert_eq!(
            kind(cutter.take(&vec![b'x'; LONGEST_LINE + 1])),
            RefusalKind::TooLarge
        );
        let mut cutter = Cutter::default();
        let many = usize::try_from(MOST_LINES).unwrap() + 1;
        assert_eq!(
            kind(cutter.take(&b"\n".repeat(many))),
            RefusalKind::TooLarge
        );
        let mut cutter = Cutter::default();
        let line = [vec![b'x'; LONGEST_LINE - 1], vec![b'\n']].concat();
        for _ in 0..LARGEST / LONGEST_LINE {
            cutter.take(&line).unwrap();
        }
        assert_eq!(kind(cutter.take(b"x")), RefusalKind::TooLarge);
    }

    #[test]
    fn a_form_says_purpose_file_and_perhaps_an_end() {
        let form = |purpose: &str, ends: Option<(&str, &str)>| Form {
            purpose: Some(purpose.to_owned()),
            anchor: ends.map(|(anchor, _)| anchor.to_owned()),
            seconds: ends.map(|(_, seconds)| seconds.to_owned()),
            filename: Some("a.jsonl".to_owned()),
        };
        assert_eq!(form("batch", None).kept().unwrap(), KEPT_SECONDS);
        let ends = Some(("created_at", "3600"));
        assert_eq!(form("batch", ends).kept().unwrap(), 3600);
        for (purpose, ends) in [
            ("fine-tune", None),
            ("batch", Some(("last_used", "3600"))),
            ("batch", Some(("created_at", "3599"))),
            ("batch", Some(("created_at", "2592001"))),
        ] {
            assert!(form(purpose, ends).kept().is_err(), "{purpose} {ends:?}");
        }
        let nameless = Form {
            filename: None,
            ..form("batch", None)
        };
        assert!(nameless.kept().is_err());
    }
}
