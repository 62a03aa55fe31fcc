//! The same statements without the house: one pgbench a client, each with a script of its own.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use tokio::process::Command;

use crate::{CLIENTS, MEASURE, house::House};

/// What a posting of a grant asks of the database: role and claims, the line of the tenant's unit, whether it was posted,
/// the accounts, the lot, the transfer, its entries. To pgbench a colon before a letter or digit is a variable, also in quotes.
pub(crate) fn posting_scripts(house: &House) -> Vec<String> {
    house
        .tenants
        .iter()
        .map(|tenant| {
            let tenant = tenant.0;
            format!(
                r#"\set a random(1, 9000000000000000)
begin;
select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{{"role":"authenticated","tenant_id":"{tenant}","sub": null}}', true);
select pg_advisory_xact_lock(hashtextextended('ledger' || chr(58) || '{tenant}' || chr(58) || 'bench.unit', 0));
select tenant_id, unit, kind, amount from ledger.transfer where id = md5(:a::text)::uuid;
select (array_agg(id) filter (where kind = 'issued'))[1], (array_agg(id) filter (where kind = 'available'))[1],
  (array_agg(id) filter (where kind = 'held'))[1], (array_agg(id) filter (where kind = 'spent'))[1],
  (array_agg(id) filter (where kind = 'expired'))[1]
  from ledger.account where tenant_id = '{tenant}' and unit = 'bench.unit' having count(*) = 5;
insert into ledger.lot (id, tenant_id, unit, amount, source, priority, reason, granted_at, expires_at)
  values (md5(:a::text)::uuid, '{tenant}', 'bench.unit', 10, 'free', 0, 'bench', now(), null);
insert into ledger.transfer (id, tenant_id, unit, kind, amount, hold_id, ref, created_at)
  values (md5(:a::text)::uuid, '{tenant}', 'bench.unit', 'grant', 10, null, 'bench', now());
insert into ledger.entry (transfer_id, account_id, lot_id, tenant_id, unit, amount, created_at)
  select md5(:a::text)::uuid, account.id, md5(:a::text)::uuid, '{tenant}', 'bench.unit',
    case account.kind when 'issued' then -10 else 10 end, now()
  from ledger.account where tenant_id = '{tenant}' and unit = 'bench.unit' and kind in ('issued', 'available');
end;
"#
            )
        })
        .collect()
}

/// What the intake of an event asks of the database.
pub(crate) fn intake_scripts() -> Vec<String> {
    let script = r#"\set a random(1, 9000000000000000)
begin;
select set_config('role', 'service_role', true), set_config('request.jwt.claims', '{"role":"service_role"}', true);
insert into billing.event (id, type, livemode, api_version, object_type, object_id, customer, created_at,
    received_at, next_at, state, note, closed_at)
  values ('evt_' || :a, 'product.updated', false, null, 'product', 'prod_1', null, now(), now(), now(), 'ignored', 'bench', now())
  on conflict (id) do nothing;
end;
"#;
    vec![script.to_owned(); CLIENTS]
}

/// The least that asking the database costs.
pub(crate) fn round_trip_scripts() -> Vec<String> {
    vec!["select 1;\n".to_owned(); CLIENTS]
}

/// Runs one client a script at once, and returns their transactions a second together.
pub(crate) async fn run(house: &House, scripts: &[String]) -> Result<f64> {
    let rates = try_join_all(
        scripts
            .iter()
            .enumerate()
            .map(|(n, script)| client(house, n, script)),
    )
    .await?;
    Ok(rates.into_iter().sum())
}

async fn client(house: &House, n: usize, script: &str) -> Result<f64> {
    let file = house.folder.path().join(format!("client-{n}.sql"));
    tokio::fs::write(&file, script).await?;
    let output = Command::new(&house.pgbench)
        .args(["-n", "-M", "prepared", "-c", "1", "-j", "1"])
        // the default seed is the time, which clients that start together may share
        .args(["--random-seed=rand", "-T"])
        .arg(MEASURE.as_secs().to_string())
        .arg("-f")
        .arg(&file)
        .arg(&house.app_conninfo)
        .stdin(Stdio::null())
        .output()
        .await
        .context("pgbench can't be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("number of failed transactions: 0") {
        bail!(
            "pgbench: {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    said.lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .context("pgbench said no rate")
}
