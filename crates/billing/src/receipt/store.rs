use identity::TenantId;
use kernel::{PageRequest, Text};
use sqlx::{PgConnection, types::Json};

use super::{Fresh, Issuer, Kept, Receipt, ReceiptId, ReceiptLine, ReceiptTax, summary};
use crate::{
    Error,
    payment::{New, PaymentId},
};

pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &New<'_>,
    fresh: &Fresh<'_>,
    issuer: &Issuer,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into billing.receipt (id, tenant_id, livemode, payment_id, number, at, storefront, plan_title, total_yen,
             customer_name, issuer, lines, tax, hosted_invoice_url)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        fresh.id as ReceiptId,
        new.tenant as TenantId,
        new.invoice.livemode,
        new.id as PaymentId,
        fresh.number,
        new.paid_at,
        fresh.storefront,
        Json(fresh.title) as Json<&Text>,
        new.money.amount,
        new.invoice.customer_name,
        Json(issuer) as Json<&Issuer>,
        Json(&fresh.lines) as Json<&Vec<ReceiptLine>>,
        Json(&fresh.tax) as Json<&Vec<ReceiptTax>>,
        new.invoice.hosted_invoice_url,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn page(
    conn: &mut PgConnection,
    tenant: TenantId,
    request: &PageRequest,
) -> sqlx::Result<Vec<Kept>> {
    let after = request.after;
    sqlx::query!(
        r#"select r.id as "id: ReceiptId", r.number, r.at, r.storefront, r.plan_title as "plan_title: Json<Text>", r.total_yen,
                  p.refunded, p.dispute, p.invoice
           from billing.receipt r join billing.payment p on p.id = r.payment_id
           where r.tenant_id = $1 and ($2::timestamptz is null or (r.at, r.id) < ($2, $3))
           order by r.at desc, r.id desc limit $4"#,
        tenant as TenantId,
        after.map(|after| after.at),
        after.map(|after| after.id),
        request.limit + 1,
    )
    .map(|row| Kept {
        id: row.id,
        number: row.number,
        invoice: row.invoice,
        at: row.at,
        storefront: row.storefront,
        plan_title: row.plan_title.0,
        total_yen: row.total_yen,
        refunded: row.refunded,
        dispute: row.dispute,
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: ReceiptId,
) -> sqlx::Result<Option<Receipt>> {
    sqlx::query!(
        r#"select r.id as "id: ReceiptId", r.number, r.at, r.storefront, r.plan_title as "plan_title: Json<Text>", r.total_yen,
                  p.refunded, p.dispute, p.invoice, r.customer_name, r.issuer as "issuer: Json<Issuer>",
                  r.lines as "lines: Json<Vec<ReceiptLine>>", r.tax as "tax: Json<Vec<ReceiptTax>>", r.hosted_invoice_url
           from billing.receipt r join billing.payment p on p.id = r.payment_id
           where r.tenant_id = $1 and r.id = $2"#,
        tenant as TenantId,
        id as ReceiptId,
    )
    .map(|row| Receipt {
        summary: summary(Kept {
            id: row.id,
            number: row.number,
            invoice: row.invoice,
            at: row.at,
            storefront: row.storefront,
            plan_title: row.plan_title.0,
            total_yen: row.total_yen,
            refunded: row.refunded,
            dispute: row.dispute,
        }),
        issuer: row.issuer.0,
        customer_name: row.customer_name,
        lines: row.lines.0,
        tax: row.tax.0,
        hosted_invoice_url: row.hosted_invoice_url,
    })
    .fetch_optional(conn)
    .await
}
