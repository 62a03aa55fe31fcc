use identity::Principal;
use kernel::PageRequest;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Billing, Error, SubscriptionView, order, receipt, receipt::ReceiptSummary, subscription,
};

/// The most receipts of an export: more than eight years of months for each storefront.
const MOST: i64 = 400;

/// What the room keeps of a tenant, for its own reading.
#[derive(Debug, Serialize)]
pub struct Export {
    subscriptions: Vec<SubscriptionView>,
    receipts: Vec<ReceiptSummary>,
    /// As they were shown.
    orders: Vec<Value>,
}

/// What the room keeps of the caller's tenant.
///
/// # Errors
/// When the database is away.
pub async fn export(room: &Billing, by: Principal) -> Result<Export, Error> {
    let first = PageRequest {
        limit: MOST,
        after: None,
    };
    Ok(Export {
        subscriptions: subscription::list(room, by).await?,
        receipts: receipt::list(room, by, first).await?.items,
        orders: order::all_of(room, by).await?,
    })
}
