mod store;

use chrono::Duration;
use db::{Ctx, Scope};
use identity::TenantId;
use uuid::Uuid;

use crate::{
    Error, Shop, event,
    stripe::{Customer, List},
};

/// For how long Stripe surely remembers a key (24 hours); after that a customer that was made is looked for.
const KEY_LIVES: Duration = Duration::hours(12);

/// A tenant's row.
#[derive(Debug)]
struct Row {
    stripe_id: Option<String>,
    created_at: chrono::DateTime<chrono::Utc>,
}

/// The customer that a tenant is, made if it is the first time. The row comes first, and the key of the call is the
/// tenant's: however often an answer is lost, there is one.
pub(crate) async fn of_tenant(cx: &Ctx, shop: &Shop, tenant: TenantId) -> Result<String, Error> {
    let mut tx = cx.db.begin(Scope::House("a tenant's customer")).await?;
    store::insert(&mut tx, tenant, shop.livemode, cx.clock.now()).await?;
    let row = store::find(&mut tx, tenant, shop.livemode).await?;
    tx.commit().await?;
    if let Some(id) = row.stripe_id {
        return Ok(id);
    }
    let known = if row.created_at + KEY_LIVES < cx.clock.now() {
        search(shop, tenant).await?
    } else {
        None
    };
    let customer = if let Some(customer) = known {
        customer
    } else {
        let tenant = tenant.to_string();
        let form = [("metadata[tenant]", tenant.as_str())];
        let key = format!("customer:{tenant}");
        shop.stripe.post("/v1/customers", &form, &key).await?
    };
    link(cx, shop, tenant, &customer.id).await
}

/// The customer, if the tenant ever was one.
pub(crate) async fn known(
    cx: &Ctx,
    shop: &Shop,
    tenant: TenantId,
) -> Result<Option<String>, Error> {
    let mut tx = cx.db.begin(Scope::House("a tenant's customer")).await?;
    let id = store::stripe_id(&mut tx, tenant, shop.livemode).await?;
    tx.commit().await?;
    Ok(id.flatten())
}

/// Whose customer this is. One that we made and whose answer never came says so itself.
pub(crate) async fn tenant_of(
    cx: &Ctx,
    shop: &Shop,
    customer: &str,
) -> Result<Option<TenantId>, Error> {
    let mut tx = cx.db.begin(Scope::House("a customer's tenant")).await?;
    let tenant = store::tenant(&mut tx, customer, shop.livemode).await?;
    tx.commit().await?;
    if tenant.is_some() {
        return Ok(tenant);
    }
    let path = format!("/v1/customers/{customer}");
    let said: Customer = match shop.stripe.get(&path, &[]).await {
        Ok(said) => said,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(tenant) = said.tenant().and_then(|text| text.parse::<TenantId>().ok()) else {
        return Ok(None);
    };
    let mut tx = cx.db.begin(Scope::House("a customer's tenant")).await?;
    let row = store::stripe_id(&mut tx, tenant, shop.livemode).await?;
    tx.commit().await?;
    // only what we began ourselves is believed
    if row.is_none_or(|id| id.is_some()) {
        return Ok(None);
    }
    let linked = link(cx, shop, tenant, &said.id).await?;
    Ok((linked == customer).then_some(tenant))
}

/// Writes down who the customer is, unless it is known, and wakes the events that waited for it.
async fn link(cx: &Ctx, shop: &Shop, tenant: TenantId, customer: &str) -> Result<String, Error> {
    let mut tx = cx.db.begin(Scope::House("a tenant's customer")).await?;
    store::link(&mut tx, tenant, shop.livemode, customer).await?;
    let row = store::find(&mut tx, tenant, shop.livemode).await?;
    let linked = row.stripe_id.unwrap_or_else(|| customer.to_owned());
    event::wake_waiting(&mut tx, &linked, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(linked)
}

async fn search(shop: &Shop, tenant: TenantId) -> Result<Option<Customer>, Error> {
    let query = format!("metadata['tenant']:'{tenant}'");
    let found: List<Customer> = shop
        .stripe
        .get("/v1/customers/search", &[("query", &query)])
        .await?;
    Ok(found.data.into_iter().next())
}

/// A key for Stripe that is the same for the same operation.
pub(crate) fn operation(what: &str, id: Uuid) -> String {
    format!("{what}:{}", id.simple())
}
