use api::{Check, FieldErrors, Okay, PageQuery, PathId, Refusals, ValidQuery};
use axum::extract::{Path, State};
use identity::{Granted, TenantId, may};
use kernel::{Page, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Balance, Error, Ledger, LotId, Movement, book,
    story::{self, LotMovement, LotView, Reader, Unit, UnitBalance},
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Ledger> {
    OpenApiRouter::new()
        .routes(routes!(get_ledger))
        .routes(routes!(list_lots))
        .routes(routes!(list_movements))
        .routes(routes!(operator_ledger))
        .routes(routes!(operator_lots))
        .routes(routes!(operator_movements))
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

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct MovementQuery {
    /// Only of this lot.
    #[param(value_type = Option<LotId>)]
    lot: Option<String>,
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl MovementQuery {
    fn page(&self) -> PageQuery {
        PageQuery {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }

    /// What is no id of a lot is the id of none.
    fn lot(&self) -> Result<Option<LotId>, Error> {
        let lot = self.lot.as_deref().map(str::parse).transpose();
        lot.map_err(|_| Error::NotFound)
    }
}

impl Check for MovementQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.page().check(errors);
    }
}

/// Lists the lots behind a balance, the newest first.
#[utoipa::path(get, path = "/billing/ledger/{unit}/lots", operation_id = "list_lots", tag = "ledger",
    params(("unit" = String, Path, description = "Such as `misaki.chat`."), PageQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Page<LotView>), Refusals))]
async fn list_lots(
    State(room): State<Ledger>,
    caller: Granted<may::UsageRead>,
    PathId(unit): PathId<Unit>,
    ValidQuery(page): ValidQuery<PageQuery>,
) -> Result<Okay<Page<LotView>>, Error> {
    let reader = Reader::Owner(caller.principal);
    Ok(Okay(
        story::lots(&room, reader, &unit, &page.request()).await?,
    ))
}

/// Lists the movements of a unit or of one lot, the newest first, with what was available after each.
#[utoipa::path(get, path = "/billing/ledger/{unit}/movements", operation_id = "list_movements", tag = "ledger",
    params(("unit" = String, Path, description = "Such as `misaki.chat`."), MovementQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Page<LotMovement>), Refusals))]
async fn list_movements(
    State(room): State<Ledger>,
    caller: Granted<may::UsageRead>,
    PathId(unit): PathId<Unit>,
    ValidQuery(query): ValidQuery<MovementQuery>,
) -> Result<Okay<Page<LotMovement>>, Error> {
    let (reader, page) = (Reader::Owner(caller.principal), query.page().request());
    Ok(Okay(
        story::movements(&room, reader, &unit, query.lot()?, &page).await?,
    ))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Units {
    items: Vec<UnitBalance>,
}

/// The sums of every unit of any tenant, for an operator.
#[utoipa::path(get, path = "/admin/tenants/{tenant}/ledger", operation_id = "operator_ledger", tag = "ledger",
    params(("tenant" = TenantId, Path)),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Units), Refusals))]
async fn operator_ledger(
    State(room): State<Ledger>,
    _: Granted<may::HouseOperate>,
    PathId(tenant): PathId<TenantId>,
) -> Result<Okay<Units>, Error> {
    let items = story::units(&room, tenant).await?;
    Ok(Okay(Units { items }))
}

/// Lists the lots of any tenant, for an operator.
#[utoipa::path(get, path = "/admin/tenants/{tenant}/ledger/{unit}/lots", operation_id = "operator_lots", tag = "ledger",
    params(("tenant" = TenantId, Path), ("unit" = String, Path), PageQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<LotView>), Refusals))]
async fn operator_lots(
    State(room): State<Ledger>,
    _: Granted<may::HouseOperate>,
    Path(path): Path<(String, String)>,
    ValidQuery(page): ValidQuery<PageQuery>,
) -> Result<Okay<Page<LotView>>, Error> {
    let (reader, unit) = books(&path)?;
    Ok(Okay(
        story::lots(&room, reader, &unit, &page.request()).await?,
    ))
}

/// Lists the movements of any tenant, for an operator.
#[utoipa::path(get, path = "/admin/tenants/{tenant}/ledger/{unit}/movements", operation_id = "operator_movements", tag = "ledger",
    params(("tenant" = TenantId, Path), ("unit" = String, Path), MovementQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Page<LotMovement>), Refusals))]
async fn operator_movements(
    State(room): State<Ledger>,
    _: Granted<may::HouseOperate>,
    Path(path): Path<(String, String)>,
    ValidQuery(query): ValidQuery<MovementQuery>,
) -> Result<Okay<Page<LotMovement>>, Error> {
    let (reader, unit) = books(&path)?;
    let page = query.page().request();
    Ok(Okay(
        story::movements(&room, reader, &unit, query.lot()?, &page).await?,
    ))
}

fn books((tenant, unit): &(String, String)) -> Result<(Reader, Unit), Error> {
    let tenant = tenant.parse().map_err(|_| Error::NotFound)?;
    Ok((Reader::Operator(tenant), unit.parse()?))
}
