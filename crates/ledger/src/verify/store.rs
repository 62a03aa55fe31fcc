use sqlx::PgConnection;

use super::Drift;

/// Every place where what is kept differs from the sum of its entries, at most 100.
pub(super) async fn drifts(conn: &mut PgConnection) -> sqlx::Result<Vec<Drift>> {
    sqlx::query_as!(
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
        select 'no more rolls over than was left', f.id::text, f.expired, sum(l.amount)::bigint
        from ledger.rolled r join ledger.lot l on l.id = r.lot_id join ledger.lot f on f.id = r.from_lot_id
        group by f.id, f.expired having sum(l.amount) > f.expired
        union all
        select 'a hold keeps its amount while open and nothing after', h.id::text,
               case when h.state = 'open' then h.amount else 0 end, coalesce(b.held, 0)
        from ledger.hold h left join held_by_hold b on b.hold_id = h.id
        where case when h.state = 'open' then h.amount else 0 end <> coalesce(b.held, 0)
        order by 1, 2 limit 100
        "#
    )
    .fetch_all(conn)
    .await
}
