use std::{
    collections::HashSet,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration as Wait,
};

use chrono::Duration;
use db::{Ctx, Scope};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use uuid::Uuid;

use super::{Counter, Desk, Phase, lock, store as works};
use crate::{
    Entitlement, Error,
    block::{self, BlockId, store as blocks},
    lease::{CHANNEL, LASTS, LeaseId, Totals, store},
};

/// How often a process looks at what it holds.
const TICK: Wait = Wait::from_millis(100);
/// How often it looks whether others want some of it, in case that it did not hear them.
const LOOK: Wait = Wait::from_millis(250);
/// How often what is in use is renewed.
const RENEW: Wait = Wait::from_secs(4);
/// A lease with less time than this is renewed at once.
const SHORT: Duration = Duration::seconds(9);
/// How long to wait before listening again.
const RETRY: Wait = Wait::from_secs(2);

/// Starts the task that keeps what this process holds, once.
pub(super) fn ensure(room: &Entitlement) {
    if !room.desk.is_kept.swap(true, Ordering::AcqRel) {
        let keeper = Keeper {
            desk: Arc::downgrade(&room.desk),
            room: Parts {
                cx: room.cx.clone(),
                identity: room.identity.clone(),
                catalogue: Arc::clone(&room.catalogue),
                inference_url: Arc::clone(&room.inference_url),
            },
            called: Arc::default(),
            looked_at: None,
            renewed_at: Instant::now(),
            suspects: HashSet::new(),
        };
        let hearing = hear(
            Weak::clone(&keeper.desk),
            keeper.room.cx.clone(),
            Arc::clone(&keeper.called),
        );
        tokio::spawn(async move {
            tokio::select! {
                () = keeper.run() => {}
                () = hearing => {}
            }
        });
    }
}

/// The room without its desk, so that the task does not keep the desk alive.
struct Parts {
    cx: Ctx,
    identity: identity::Identity,
    catalogue: Arc<crate::LiveCatalogue>,
    inference_url: Arc<str>,
}

struct Keeper {
    desk: Weak<Desk>,
    room: Parts,
    called: Arc<Notify>,
    looked_at: Option<Instant>,
    renewed_at: Instant,
    /// Open blocks of ours that memory does not know; closed when they are still unknown the next time.
    suspects: HashSet<BlockId>,
}

impl Keeper {
    async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_called = tokio::select! {
                _ = ticks.tick() => false,
                () = self.called.notified() => true,
            };
            let Some(desk) = self.desk.upgrade() else {
                return;
            };
            if desk.is_closed.load(Ordering::Acquire) {
                return;
            }
            let room = Entitlement {
                cx: self.room.cx.clone(),
                identity: self.room.identity.clone(),
                catalogue: Arc::clone(&self.room.catalogue),
                inference_url: Arc::clone(&self.room.inference_url),
                // what it writes is the leases' own, which every process goes by
                commit: db::Commit::Durable,
                desk,
            };
            if let Err(error) = self.round(&room, is_called).await {
                tracing::warn!(%error, "leases can't be kept right now");
            }
        }
    }

    async fn round(&mut self, room: &Entitlement, is_called: bool) -> Result<(), Error> {
        let counters = room.desk.all();
        if counters.is_empty() {
            return Ok(());
        }
        if is_called || self.looked_at.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked_at = Some(Instant::now());
            heed(room).await?;
        }
        clear_doubts(room, None).await?;
        let now = room.cx.clock.now();
        for counter in &counters {
            let is_due = lock(&counter.state)
                .holding
                .as_ref()
                .is_some_and(|holding| {
                    holding.has_leftover()
                        || (holding.is_idle(now)
                            && (holding.has_spare(now) || holding.own(now).running == 0))
                });
            if is_due && let Err(error) = give_back(room, counter, false).await {
                tracing::warn!(%error, "what is idle can't be given back yet");
            }
        }
        room.desk.forget_empty();
        if self.renewed_at.elapsed() >= RENEW || room.desk.is_short(now) {
            self.renewed_at = Instant::now();
            self.renew(room).await?;
        }
        Ok(())
    }

    async fn renew(&mut self, room: &Entitlement) -> Result<(), Error> {
        let now = room.cx.clock.now();
        let leases = room.desk.leases();
        let ids: Vec<Uuid> = leases.iter().map(|lease| lease.0).collect();
        let mut tx = room
            .cx
            .db
            .begin_aside(Scope::House("renewal of leases"))
            .await?;
        let renewed = store::renew(&mut tx, &ids, now + LASTS, now).await?;
        works::renew(&mut tx, &room.desk.kept(), now + LASTS).await?;
        let open = blocks::open_of(&mut tx, &ids).await?;
        tx.commit().await?;
        for lease in leases {
            if let Some(counter) = room.desk.holder(lease)
                && let Some(holding) = &mut lock(&counter.state).holding
            {
                if renewed.contains(&lease) {
                    holding.renewed(now + LASTS);
                } else {
                    holding.lose(now);
                }
            }
        }
        let unknown: HashSet<BlockId> = open
            .into_iter()
            .map(|(block, _)| block)
            .filter(|block| !room.desk.knows(*block))
            .collect();
        for block in unknown.intersection(&self.suspects) {
            let mut tx = room
                .cx
                .db
                .begin_aside(Scope::House("a block that nobody knows"))
                .await?;
            block::close(&mut tx, &room.cx, *block, false).await?;
            tx.commit().await?;
        }
        self.suspects = unknown;
        Ok(())
    }
}

/// Passes calls on, and says whether they can be heard: not from the moment on in which the database is lost. Never ends.
async fn hear(desk: Weak<Desk>, cx: Ctx, called: Arc<Notify>) {
    let is_in_touch = |is| {
        if let Some(desk) = desk.upgrade() {
            desk.is_in_touch.store(is, Ordering::Release);
        }
    };
    loop {
        if let Ok(mut listener) = cx.db.listen(CHANNEL).await {
            // otherwise it looks for another connection before it says that this one is lost
            listener.eager_reconnect(false);
            is_in_touch(true);
            // also for what came before we listened
            called.notify_one();
            while let Ok(Some(_)) = listener.try_recv().await {
                called.notify_one();
            }
            is_in_touch(false);
        } else {
            sleep(RETRY).await;
        }
    }
}

/// Gives back what others ask for, and forgets plans that have changed.
async fn heed(room: &Entitlement) -> Result<(), Error> {
    let mut tx = room
        .cx
        .db
        .begin_aside(Scope::House("leases that others want"))
        .await?;
    let wanted = store::wanted(&mut tx, room.desk.node).await?;
    tx.commit().await?;
    for (lease, is_recalled, is_stale) in wanted {
        let Some(counter) = room.desk.holder(lease) else {
            continue;
        };
        if is_stale && let Some(holding) = &mut lock(&counter.state).holding {
            holding.distrust(room.cx.clock.now());
        }
        if is_recalled || is_stale {
            give_back(room, &counter, true).await?;
        }
    }
    Ok(())
}

/// What others ask of a process: to give back what it does not use.
async fn give_back(room: &Entitlement, counter: &Counter, is_urgent: bool) -> Result<(), Error> {
    let line = Arc::clone(&counter.line);
    let _line = if is_urgent {
        line.lock_owned().await
    } else {
        match line.try_lock_owned() {
            Ok(line) => line,
            // somebody takes more right now
            Err(_) => return Ok(()),
        }
    };
    let now = room.cx.clock.now();
    let (lease, left, spare) = {
        let mut state = lock(&counter.state);
        let Some(holding) = &mut state.holding else {
            return Ok(());
        };
        if !is_urgent && !holding.is_idle(now) && !holding.has_leftover() {
            return Ok(());
        }
        let lease = holding.id;
        if holding.own(now).running == 0 {
            let all = holding.blocks().iter().map(|stack| stack.id).collect();
            state.holding = None;
            (lease, None, all)
        } else if is_urgent || holding.is_idle(now) {
            let (totals, spare) = holding.shrink(now);
            (lease, Some(totals), spare)
        } else {
            let spare: Vec<_> = holding.leftover();
            let own = holding.own(now);
            let totals = Totals {
                slots: own.slots,
                places: own.places,
            };
            (lease, Some(totals), spare)
        }
    };
    let mut tx = room.cx.db.begin_aside(counter.scope()).await?;
    // leases, then blocks, then the books, as whoever acquires: a lease that is over is deleted by others
    match left {
        None => store::delete(&mut tx, lease).await?,
        Some(totals) => store::shrink(&mut tx, lease, totals).await?,
    }
    blocks::lock_all(&mut tx, &spare).await?;
    let mut closed = Vec::with_capacity(spare.len());
    for id in spare {
        closed.push((id, block::close(&mut tx, &room.cx, id, true).await?));
    }
    tx.commit().await?;
    for (id, ended) in closed {
        match ended {
            block::Closed::Whole => room.desk.block_closed(id, None),
            block::Closed::GoesOnIn(next) => room.desk.block_closed(id, Some(next)),
            block::Closed::Kept => {}
        }
    }
    Ok(())
}

/// Finds out what became of work that nobody keeps any more.
pub(super) async fn clear_doubts(room: &Entitlement, of: Option<&Counter>) -> Result<(), Error> {
    let doubts = room.desk.doubts(of);
    if doubts.is_empty() {
        return Ok(());
    }
    let now = room.cx.clock.now();
    let mut tx = room
        .cx
        .db
        .begin_aside(Scope::House("work that nobody keeps"))
        .await?;
    for (id, phase, counter) in &doubts {
        if *phase == Phase::Recorded {
            works::forestall(&mut tx, *id, counter.tenant, &counter.storefront, now).await?;
        }
    }
    let ids: Vec<Uuid> = doubts.iter().map(|(id, _, _)| id.0).collect();
    let open = works::open_among(&mut tx, &ids).await?;
    tx.commit().await?;
    for (id, _, _) in doubts {
        if open.contains(&id) {
            room.desk.confirmed(id);
        } else {
            room.desk.cleared(id);
        }
    }
    Ok(())
}

/// Gives back everything that is not in use, and keeps nothing any more.
pub(crate) async fn close(room: &Entitlement) {
    room.desk.is_closed.store(true, Ordering::Release);
    if let Err(error) = clear_doubts(room, None).await {
        tracing::warn!(%error, "work that nobody keeps is left to the others");
    }
    for counter in room.desk.all() {
        if let Err(error) = give_back(room, &counter, true).await {
            tracing::warn!(%error, "a lease is left to run out");
        }
    }
}

impl Counter {
    pub(super) fn scope(&self) -> Scope {
        Scope::Tenant {
            tenant: self.tenant.0,
            user: None,
        }
    }
}

impl Desk {
    fn leases(&self) -> Vec<LeaseId> {
        self.all()
            .iter()
            .filter_map(|counter| lock(&counter.state).holding.as_ref().map(|held| held.id))
            .collect()
    }

    fn is_short(&self, now: chrono::DateTime<chrono::Utc>) -> bool {
        self.all().iter().any(|counter| {
            lock(&counter.state)
                .holding
                .as_ref()
                .is_some_and(|held| held.until() > now && held.until() - now < SHORT)
        })
    }

    fn knows(&self, block: BlockId) -> bool {
        self.all().iter().any(|counter| {
            lock(&counter.state)
                .holding
                .as_ref()
                .is_some_and(|held| held.blocks().iter().any(|stack| stack.id == block))
        })
    }

    /// Forgets tenants of whom nothing is held; whoever has the counter in hand puts what it takes into it all the same, and the
    /// next one finds the row in the database.
    fn forget_empty(&self) {
        lock(&self.counters).retain(|_, of_tenant| {
            of_tenant.retain(|counter| {
                Arc::strong_count(counter) > 1 || lock(&counter.state).holding.is_some()
            });
            !of_tenant.is_empty()
        });
    }
}
