pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use entitlement::{Plan, TopUp};
use identity::Principal;
use kernel::{Page, PageRequest, Text};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{
    Billing, Error, order,
    payment::{New, is_withheld},
    stripe::Line,
};

kernel::id!(
    /// A receipt for a payment.
    ReceiptId, "rcp"
);

/// Who sells, as receipts say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ReceiptIssuer)]
pub struct Issuer {
    pub name: String,
    /// T and thirteen digits; without one a receipt is no qualified invoice (適格請求書).
    #[schema(required)]
    pub registration_number: Option<String>,
    pub address: String,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReceiptStatus)]
pub(crate) enum Status {
    Paid,
    PartlyRefunded,
    Refunded,
    /// The card's holder disputes it, and their bank keeps the money.
    Disputed,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReceiptSummary {
    id: ReceiptId,
    /// The invoice's number.
    number: String,
    /// Stripe's own name of the invoice, which the ledger's lots name.
    invoice: String,
    at: DateTime<Utc>,
    storefront: String,
    plan_title: Text,
    total_yen: i64,
    refunded_yen: i64,
    status: Status,
}

#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ReceiptLine {
    title: Text,
    /// Whether it settles the rest of a period after a change; negative is given back.
    proration: bool,
    #[schema(required)]
    period_start: Option<DateTime<Utc>>,
    #[schema(required)]
    period_end: Option<DateTime<Utc>>,
    /// Tax included.
    amount_yen: i64,
    rate_percent: i64,
}

/// The tax of one rate, rounded once for all lines together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ReceiptTax {
    rate_percent: i64,
    base_yen: i64,
    tax_yen: i64,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Receipt {
    #[serde(flatten)]
    summary: ReceiptSummary,
    issuer: Issuer,
    #[schema(required)]
    customer_name: Option<String>,
    lines: Vec<ReceiptLine>,
    tax: Vec<ReceiptTax>,
    #[schema(required)]
    hosted_invoice_url: Option<String>,
}

/// A receipt as it is kept, with what became of its payment.
#[derive(Debug)]
struct Kept {
    id: ReceiptId,
    number: String,
    invoice: String,
    at: DateTime<Utc>,
    storefront: String,
    plan_title: Text,
    total_yen: i64,
    refunded: i64,
    dispute: Option<String>,
}

/// A receipt to keep.
#[derive(Debug)]
struct Fresh<'a> {
    id: ReceiptId,
    number: &'a str,
    storefront: &'a str,
    /// What was sold.
    title: &'a Text,
    lines: Vec<ReceiptLine>,
    tax: Vec<ReceiptTax>,
}

fn status_of(total: i64, refunded: i64, dispute: Option<&str>) -> Status {
    if is_withheld(dispute) {
        Status::Disputed
    } else if refunded >= total {
        Status::Refunded
    } else if refunded > 0 {
        Status::PartlyRefunded
    } else {
        Status::Paid
    }
}

/// What an amount that includes the tax is made of. All that is sold here has one rate, so it is rounded once.
fn tax_of(total: i64) -> Vec<ReceiptTax> {
    let tax_yen = order::tax_in(total);
    vec![ReceiptTax {
        rate_percent: order::TAX_PERCENT,
        base_yen: total - tax_yen,
        tax_yen,
    }]
}

/// Makes the receipt of a paid invoice, in the transaction in which its payment is written down. The plans are those of its
/// lines, in their order.
pub(crate) async fn make(
    conn: &mut PgConnection,
    room: &Billing,
    new: &New<'_>,
    lines: &[(&Line, Option<Plan>)],
) -> Result<(), Error> {
    let total = new.money.amount;
    // nothing was paid, or not here: what we sell has its price in yen
    if total == 0 || new.money.currency.as_str() != "jpy" {
        return Ok(());
    }
    let sold = |whole: bool| {
        let lines = lines
            .iter()
            .filter(move |(line, _)| line.amount > 0 && line.is_whole_period() == whole);
        lines.filter_map(|(_, plan)| plan.as_ref()).next_back()
    };
    let Some(plan) = sold(true).or_else(|| sold(false)) else {
        tracing::warn!(
            invoice = new.invoice.id,
            "a paid invoice is for no plan of ours"
        );
        return Ok(());
    };
    let id: ReceiptId = room.cx.ids.new_id();
    let own = id.to_string();
    let fresh = Fresh {
        id,
        number: new.invoice.number.as_deref().unwrap_or(&own),
        storefront: &plan.storefront,
        title: &plan.terms.title,
        lines: lines
            .iter()
            .map(|(line, plan)| ReceiptLine {
                title: plan.as_ref().map_or(Text::new("その他", "Other"), |plan| {
                    plan.terms.title.clone()
                }),
                proration: line.is_proration(),
                period_start: line.period_start(),
                period_end: line.period_end(),
                amount_yen: line.amount,
                rate_percent: order::TAX_PERCENT,
            })
            .collect(),
        tax: tax_of(total),
    };
    store::insert(conn, new, &fresh, &room.terms.issuer).await
}

/// Makes the receipt of something that was bought once.
pub(crate) async fn make_once(
    conn: &mut PgConnection,
    room: &Billing,
    new: &New<'_>,
    topup: &TopUp,
) -> Result<(), Error> {
    let total = new.money.amount;
    if total == 0 || new.money.currency.as_str() != "jpy" {
        return Ok(());
    }
    let id: ReceiptId = room.cx.ids.new_id();
    let own = id.to_string();
    let fresh = Fresh {
        id,
        number: new.invoice.number.as_deref().unwrap_or(&own),
        storefront: &topup.storefront,
        title: &topup.terms.title,
        lines: vec![ReceiptLine {
            title: topup.terms.title.clone(),
            proration: false,
            period_start: None,
            period_end: None,
            amount_yen: total,
            rate_percent: order::TAX_PERCENT,
        }],
        tax: tax_of(total),
    };
    store::insert(conn, new, &fresh, &room.terms.issuer).await
}

fn summary(kept: Kept) -> ReceiptSummary {
    ReceiptSummary {
        status: status_of(kept.total_yen, kept.refunded, kept.dispute.as_deref()),
        id: kept.id,
        number: kept.number,
        invoice: kept.invoice,
        at: kept.at,
        storefront: kept.storefront,
        plan_title: kept.plan_title,
        total_yen: kept.total_yen,
        refunded_yen: kept.refunded,
    }
}

/// The caller's receipts, newest first.
pub(crate) async fn list(
    room: &Billing,
    by: Principal,
    request: PageRequest,
) -> Result<Page<ReceiptSummary>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let rows = store::page(&mut tx, by.tenant, &request).await?;
    tx.commit().await?;
    let page = Page::from_rows(rows, &request, |kept| kernel::Cursor {
        at: kept.at,
        id: kept.id.0,
    });
    Ok(page.map(summary))
}

/// One of the caller's receipts, whole.
pub(crate) async fn read(room: &Billing, by: Principal, id: ReceiptId) -> Result<Receipt, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let kept = store::find(&mut tx, by.tenant, id).await?;
    tx.commit().await?;
    kept.ok_or(Error::NoReceipt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_receipt_says_what_became_of_its_money() {
        for (refunded, dispute, status) in [
            (0, None, Status::Paid),
            (1, None, Status::PartlyRefunded),
            (980, None, Status::Refunded),
            (0, Some("needs_response"), Status::Disputed),
            (0, Some("lost"), Status::Disputed),
            (0, Some("won"), Status::Paid),
        ] {
            assert_eq!(status_of(980, refunded, dispute), status);
        }
    }

    proptest! {
        #[test]
        fn base_and_tax_are_the_total(total in 1_i64..=1_000_000_000) {
            let [tax] = <[ReceiptTax; 1]>::try_from(tax_of(total)).unwrap();
            prop_assert_eq!(tax.base_yen + tax.tax_yen, total);
            // a tenth of the base, to less than one yen
            prop_assert!((tax.base_yen - tax.tax_yen * 10).abs() <= 10);
        }
    }
}
