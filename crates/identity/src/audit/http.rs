use api::{Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use kernel::{Cursor, Page, PageRequest};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AuditLine, list};
use crate::{Error, Granted, Identity, Principal, may};

/// Lines that one statement of an export reads.
const EXPORT_PAGE: i64 = 500;

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_audit))
        .routes(routes!(export_audit))
}

/// Who did what in the tenant, newest first.
#[utoipa::path(get, path = "/audit", operation_id = "get_audit", tag = "identity", params(PageQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Page<AuditLine>), Refusals))]
async fn get_audit(
    State(room): State<Identity>,
    caller: Granted<may::AuditRead>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> Result<Okay<Page<AuditLine>>, Error> {
    let page = list(&room.cx, caller.principal, query.request()).await?;
    Ok(Okay(page))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditFormat)]
enum Format {
    Csv,
    Jsonl,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    #[param(inline)]
    format: Format,
}

impl Check for ExportQuery {
    fn check(&self, _: &mut FieldErrors) {}
}

/// The whole log of the tenant as a file, newest first.
#[utoipa::path(get, path = "/audit/export", operation_id = "export_audit", tag = "identity", params(ExportQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "CSV (UTF-8 with BOM) or one JSON object a line.",
        content((String = "text/csv"), (String = "application/jsonl"))), Refusals))]
async fn export_audit(
    State(room): State<Identity>,
    caller: Granted<may::AuditRead>,
    ValidQuery(query): ValidQuery<ExportQuery>,
) -> Response {
    let (kind, disposition) = match query.format {
        Format::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"audit.csv\"",
        ),
        Format::Jsonl => ("application/jsonl", "attachment; filename=\"audit.jsonl\""),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static(disposition),
        ),
    ];
    let body = Body::from_stream(pages(room, caller.principal, query.format));
    (headers, body).into_response()
}

/// The file in pieces, one page of lines each, so that a long log needs no memory.
fn pages(
    room: Identity,
    by: Principal,
    format: Format,
) -> impl futures::Stream<Item = Result<Bytes, Error>> {
    let first = PageRequest {
        limit: EXPORT_PAGE,
        after: None,
    };
    stream::try_unfold(Some(first), move |next| {
        let room = room.clone();
        async move {
            let Some(request) = next else {
                return Ok(None);
            };
            let page = list(&room.cx, by, request).await?;
            let head = if request.after.is_none() && format == Format::Csv {
                "\u{feff}seq,at,actor,action,target,before,after,request_id,network,hash\r\n"
            } else {
                ""
            };
            let text = page.items.iter().fold(head.to_owned(), |text, line| {
                text + &match format {
                    Format::Csv => csv(line),
                    Format::Jsonl => serde_json::to_string(line).unwrap_or_default() + "\n",
                }
            });
            let next = page
                .next_cursor
                .and_then(|cursor| Cursor::decode(&cursor).ok())
                .map(|after| PageRequest {
                    limit: EXPORT_PAGE,
                    after: Some(after),
                });
            Ok(Some((Bytes::from(text), next)))
        }
    })
}

fn csv(line: &AuditLine) -> String {
    let json = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .map_or_else(String::new, serde_json::Value::to_string)
    };
    let cells = [
        line.seq.to_string(),
        line.at.to_rfc3339(),
        line.actor.clone(),
        line.action.clone(),
        line.target.clone(),
        json(&line.before),
        json(&line.after),
        line.request_id.clone(),
        line.network.clone(),
        line.hash.clone(),
    ];
    cells.map(|cell| quoted(&cell)).join(",") + "\r\n"
}

/// A cell of RFC 4180; what a spreadsheet would run as a formula is made text.
fn quoted(cell: &str) -> String {
    let tame = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    format!("\"{}\"", tame.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_can_neither_break_out_nor_be_run() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
    }
}
