use api::{Check, FieldErrors, Okay, PageQuery, Refusals, ValidQuery};
use axum::extract::State;
use identity::{Granted, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Balance, Error, Ledger, Movement, book};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Ledger> {
    OpenApiRouter::new().routes(routes!(get_ledger))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LedgerQuery {
    /// The unit, such as `misaki.chat`.
    #[param(min_length = 1, max_length = 50)]
    unit: String,
    /// Transfers a page: 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl LedgerQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

impl Check for LedgerQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
        errors.require(
            (1..=50).contains(&self.unit.len()),
            "?unit",
            "length",
            Text::new("単位を指定してください。", "Please name a unit."),
        );
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Statement {
    balances: Vec<Balance>,
    /// Entries of the newest transfers.
    items: Vec<Movement>,
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Explains a balance: the sums and every movement behind them.
#[utoipa::path(get, path = "/billing/ledger", operation_id = "get_ledger", tag = "ledger", params(LedgerQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Statement), Refusals))]
async fn get_ledger(
    State(room): State<Ledger>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<LedgerQuery>,
) -> Result<Okay<Statement>, Error> {
    let (balances, page) = book::statement(
        &room,
        caller.principal,
        &query.unit,
        &query.page().request(),
    )
    .await?;
    Ok(Okay(Statement {
        balances,
        items: page.items,
        next_cursor: page.next_cursor,
    }))
}
