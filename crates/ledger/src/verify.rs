use db::{Ctx, Scope};
use serde::Serialize;

use crate::Error;

/// A place where the books don't agree with themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which rule is broken.
    pub rule: String,
    /// The row that breaks it.
    pub place: String,
    pub expected: i64,
    pub found: i64,
}

/// Recomputes everything from the entries and lists what does not agree; an empty list means that the books are right.
///
/// Reads one snapshot, so it may run beside the work.
pub async fn verify(cx: &Ctx) -> Result<Vec<Drift>, Error> {
    let mut tx = cx
        .db
        .begin(Scope::House("verification of the books"))
        .await?;
    let drifts = sqlx::query_as!(
        Drift,
        r#"
        with entry as (
            select e.*, a.kind as account from ledger.entry e join ledger.account a on a.id = e.account_id
        ), by_lot as (
            select lot_id,
                   coalesce(sum(amount) filter (where account = 'available'), 0)::bigint as available,
                   coalesce(sum(amount) filter (where account = 'held'), 0)::bigint as held,
                   coalesce(sum(amount) filter (where account = 'spent'), 0)::bigint as spent,
                   coalesce(sum(amount) filter (where account = 'expired'), 0)::bigint as expired,
                   -coalesce(sum(amount) filter (where account = 'issued'), 0)::bigint as issued
            from entry group by lot_id
        ), by_account as (
            select account_id, account, sum(amount)::bigint as balance from entry group by account_id, account
        ), held_by_hold as (
            select t.hold_id, sum(e.amount)::bigint as held
            from ledger.transfer t join entry e on e.transfer_id = t.id and e.account = 'held'
            where t.hold_id is not null group by t.hold_id
        )
        select 'a transfer sums to zero' as "rule!", transfer_id::text as "place!", 0::bigint as "expected!",
               sum(amount)::bigint as "found!"
        from entry group by transfer_id having sum(amount) <> 0
        union all
        select 'only issued is negative', account_id::text, 0, balance from by_account where account <> 'issued' and balance < 0
        union all
        select 'a lot issues its amount', l.id::text, l.amount, coalesce(b.issued, 0)
        from ledger.lot l left join by_lot b on b.lot_id = l.id where l.amount <> coalesce(b.issued, 0)
        union all
        select 'a lot''s available is its entries'' sum', l.id::text, coalesce(b.available, 0), l.available
        from ledger.lot l left join by_lot b on b.lot_id = l.id where l.available <> coalesce(b.available, 0)
        union all
        select 'a lot''s held is its entries'' sum', l.id::text, coalesce(b.held, 0), l.held
        from ledger.lot l left join by_lot b on b.lot_id = l.id where l.held <> coalesce(b.held, 0)
        union all
        select 'a lot''s spent is its entries'' sum', l.id::text, coalesce(b.spent, 0), l.spent
        from ledger.lot l left join by_lot b on b.lot_id = l.id where l.spent <> coalesce(b.spent, 0)
        union all
        select 'a lot''s expired is its entries'' sum', l.id::text, coalesce(b.expired, 0), l.expired
        from ledger.lot l left join by_lot b on b.lot_id = l.id where l.expired <> coalesce(b.expired, 0)
        union all
        select 'a hold keeps its amount while open and nothing after', h.id::text,
               case when h.state = 'open' then h.amount else 0 end, coalesce(b.held, 0)
        from ledger.hold h left join held_by_hold b on b.hold_id = h.id
        where case when h.state = 'open' then h.amount else 0 end <> coalesce(b.held, 0)
        order by 1, 2 limit 100
        "#
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(drifts)
}
