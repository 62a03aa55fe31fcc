//! Admissions from memory, and admissions that are written down and settled, against bare round trips.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use entitlement::{Admission, Outcome, Usage, Work};
use identity::{Principal, RequestMeta};

use crate::{
    MEASURE,
    house::{House, QUOTA},
};

/// The most in one transaction, as the gateway's writer takes.
const BATCH: usize = 128;

fn work(house: &House) -> Work<'static> {
    Work {
        storefront: "misaki",
        unit: "misaki.chat",
        amount: 1,
        reference: "run_bench",
        lease_until: house.room.cx.clock.now() + chrono::Duration::minutes(1),
        daily_cap: None,
        daily_cost: None,
        member: None,
    }
}

async fn guest(house: &House) -> Result<Principal> {
    let meta = RequestMeta::of_the_house("req_bench");
    Ok(identity::guest(&house.room.identity, &meta)
        .await?
        .session
        .principal)
}

/// Admissions a second that were decided and given back, by one task.
pub(crate) async fn from_memory(house: &House) -> Result<f64> {
    let caller = guest(house).await?;
    let work = work(house);
    // the first ones fetch what the later ones take from memory
    let mut kept = Vec::new();
    for _ in 0..BATCH {
        kept.push(entitlement::admit(&house.room.entitlement, caller, &work).await?);
    }
    drop(kept);
    let (started, mut done) = (Instant::now(), 0_u32);
    while started.elapsed() < MEASURE {
        for _ in 0..100 {
            drop(entitlement::admit(&house.room.entitlement, caller, &work).await?);
            done += 1;
        }
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// Uses a whole quota up, everything written down and settled; a second, and whether exactly the quota was admitted.
pub(crate) async fn whole_quota(house: &House) -> Result<(f64, bool)> {
    let caller = guest(house).await?;
    let room = &house.room.entitlement;
    let work = work(house);
    let (started, mut admitted) = (Instant::now(), 0_u32);
    loop {
        let mut batch: Vec<Admission> = Vec::with_capacity(BATCH);
        let mut refused = false;
        while batch.len() < BATCH && !refused {
            match entitlement::admit(room, caller, &work).await {
                Ok(admission) => batch.push(admission),
                Err(entitlement::Error::QuotaExhausted { .. }) => refused = true,
                Err(error) => return Err(error.into()),
            }
        }
        admitted += settle(house, batch).await?;
        if refused {
            break;
        }
        if started.elapsed() > Duration::from_mins(2) {
            bail!("a quota has no end");
        }
    }
    let rate = f64::from(admitted) / started.elapsed().as_secs_f64();
    Ok((rate, admitted == QUOTA))
}

/// Writes a batch down, and its end; two transactions, as for runs.
async fn settle(house: &House, batch: Vec<Admission>) -> Result<u32> {
    let room = &house.room.entitlement;
    let mut tx = room.begin_metered("a batch that begins").await?;
    let rows: Vec<_> = batch.iter().collect();
    let recorded = entitlement::record_all(&mut tx, room, &rows).await?;
    tx.commit().await?;
    for admission in &batch {
        admission.reservation.confirm();
    }
    let endings: Vec<_> = recorded.iter().map(|id| (*id, usage())).collect();
    let mut tx = room.begin_metered("a batch that ends").await?;
    let settled = entitlement::settle_all(&mut tx, room, &endings).await?;
    tx.commit().await?;
    settled.done();
    Ok(u32::try_from(endings.len())?)
}

fn usage() -> Usage {
    Usage {
        amount: 1,
        model: "bench".to_owned(),
        tokens_in: 10,
        tokens_out: 40,
        cost_nano_usd: 7,
        outcome: Outcome::Completed,
    }
}
