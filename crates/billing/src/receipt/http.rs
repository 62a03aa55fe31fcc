use api::{Okay, PageQuery, PathId, Refusals, ValidQuery};
use axum::extract::State;
use identity::{Granted, may};
use kernel::Page;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Receipt, ReceiptId, ReceiptSummary};
use crate::{Billing, Error};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(list_receipts))
        .routes(routes!(get_receipt))
}

/// Lists the tenant's receipts, newest first.
#[utoipa::path(get, path = "/billing/receipts", operation_id = "list_receipts", tag = "billing", params(PageQuery),
    security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Page<ReceiptSummary>), Refusals))]
async fn list_receipts(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> Result<Okay<Page<ReceiptSummary>>, Error> {
    let page = super::list(&room, caller.principal, query.request()).await?;
    Ok(Okay(page))
}

/// One receipt with what an invoice has to say in Japan.
#[utoipa::path(get, path = "/billing/receipts/{receipt}", operation_id = "get_receipt", tag = "billing",
    params(("receipt" = String, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Receipt), Refusals))]
async fn get_receipt(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    PathId(receipt): PathId<ReceiptId>,
) -> Result<Okay<Receipt>, Error> {
    let receipt = super::read(&room, caller.principal, receipt).await?;
    Ok(Okay(receipt))
}
