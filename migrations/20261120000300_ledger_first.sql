-- Double entry: every transfer's entries sum to zero, entries are never changed, a balance is a sum.
create schema ledger;
grant usage on schema ledger to authenticated, service_role, auditor;

-- Per tenant and unit: issued (grants come from here, so it runs negative), available, held, spent, expired.
-- All five belong to the tenant, so that no row is shared by two tenants and none is hot.
create table ledger.account (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    kind text not null,
    constraint account_one_per_kind unique (tenant_id, unit, kind),
    constraint account_whole unique (id, tenant_id, unit),
    constraint account_unit_shape check (unit ~ '^[a-z]+(\.[a-z_]+)?$'),
    constraint account_kind_known check (kind in ('issued', 'available', 'held', 'spent', 'expired'))
);

-- One grant. `available` to `expired` are caches of this lot's entries, kept by the trigger on entry alone:
-- the application may not write them, and their checks are what makes overspending impossible.
create table ledger.lot (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    amount bigint not null,
    source text not null,
    priority smallint not null,
    reason text not null,
    granted_at timestamptz not null,
    expires_at timestamptz,
    available bigint not null default 0,
    held bigint not null default 0,
    spent bigint not null default 0,
    expired bigint not null default 0,
    constraint lot_whole unique (id, tenant_id, unit),
    constraint lot_amount_positive check (amount > 0),
    constraint lot_source_known check (source in ('paid', 'free')),
    constraint lot_expires_later check (expires_at > granted_at),
    constraint lot_never_below_zero check (available >= 0),
    constraint lot_parts_never_below_zero check (held >= 0 and spent >= 0 and expired >= 0),
    constraint lot_parts_are_the_whole check (available + held + spent + expired in (0, amount))
);
create index lot_open_idx on ledger.lot (tenant_id, unit) where available > 0 or held > 0;
create index lot_due_idx on ledger.lot (expires_at) where available > 0;

create table ledger.hold (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    amount bigint not null,
    settled bigint not null default 0,
    state text not null default 'open',
    ref text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    closed_at timestamptz,
    constraint hold_amount_positive check (amount > 0),
    constraint hold_settled_within check (settled between 0 and amount),
    constraint hold_state_known check (state in ('open', 'settled', 'released', 'lapsed')),
    constraint hold_closed_once check ((state = 'open') = (closed_at is null))
);
create index hold_tenant_idx on ledger.hold (tenant_id, created_at);
create index hold_due_idx on ledger.hold (expires_at) where state = 'open';

create table ledger.transfer (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    kind text not null,
    amount bigint not null,
    hold_id uuid references ledger.hold (id),
    ref text not null,
    created_at timestamptz not null,
    constraint transfer_whole unique (id, tenant_id, unit),
    constraint transfer_amount_positive check (amount > 0),
    constraint transfer_kind_known check (kind in ('grant', 'hold', 'settle', 'release', 'lapse', 'expire'))
);
create index transfer_tenant_idx on ledger.transfer (tenant_id, unit, created_at);
create index transfer_hold_idx on ledger.transfer (hold_id);

create table ledger.entry (
    transfer_id uuid not null,
    account_id uuid not null,
    lot_id uuid not null,
    tenant_id uuid not null,
    unit text not null,
    amount bigint not null,
    created_at timestamptz not null,
    primary key (transfer_id, account_id, lot_id),
    constraint entry_of_transfer foreign key (transfer_id, tenant_id, unit) references ledger.transfer (id, tenant_id, unit),
    constraint entry_of_account foreign key (account_id, tenant_id, unit) references ledger.account (id, tenant_id, unit),
    constraint entry_of_lot foreign key (lot_id, tenant_id, unit) references ledger.lot (id, tenant_id, unit),
    constraint entry_moves_something check (amount <> 0)
);
create index entry_account_idx on ledger.entry (account_id);
create index entry_lot_idx on ledger.entry (lot_id);

-- Checks that what was added balances, and carries it to the lots.
create function ledger.post_entries() returns trigger
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if exists (select from added group by transfer_id, lot_id having sum(amount) <> 0) then
        raise exception 'entries of a transfer do not sum to zero'
            using errcode = 'check_violation', constraint = 'transfer_balances';
    end if;
    update ledger.lot
    set available = lot.available + moved.available, held = lot.held + moved.held,
        spent = lot.spent + moved.spent, expired = lot.expired + moved.expired
    from (
        select added.lot_id,
               coalesce(sum(added.amount) filter (where account.kind = 'available'), 0) as available,
               coalesce(sum(added.amount) filter (where account.kind = 'held'), 0) as held,
               coalesce(sum(added.amount) filter (where account.kind = 'spent'), 0) as spent,
               coalesce(sum(added.amount) filter (where account.kind = 'expired'), 0) as expired
        from added join ledger.account on account.id = added.account_id
        group by added.lot_id
    ) moved
    where lot.id = moved.lot_id;
    return null;
end
$$;
create trigger entry_posts after insert on ledger.entry
    referencing new table as added for each statement execute function ledger.post_entries();

create function ledger.refuse_change() returns trigger
    language plpgsql
as $$
begin
    raise exception 'the ledger is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger entry_append_only before update or delete or truncate on ledger.entry
    for each statement execute function ledger.refuse_change();
create trigger transfer_append_only before update or delete or truncate on ledger.transfer
    for each statement execute function ledger.refuse_change();

call auth.protect('ledger.account', 'tenant_id = (select auth.tenant_id())');
call auth.protect('ledger.lot', 'tenant_id = (select auth.tenant_id())');
call auth.protect('ledger.hold', 'tenant_id = (select auth.tenant_id())');
call auth.protect('ledger.transfer', 'tenant_id = (select auth.tenant_id())');
call auth.protect('ledger.entry', 'tenant_id = (select auth.tenant_id())');

grant select, insert on ledger.account, ledger.transfer, ledger.entry to authenticated, service_role;
grant select on ledger.lot, ledger.hold to authenticated, service_role;
grant insert (id, tenant_id, unit, amount, source, priority, reason, granted_at, expires_at) on ledger.lot
    to authenticated, service_role;
grant insert (id, tenant_id, unit, amount, ref, created_at, expires_at) on ledger.hold to authenticated, service_role;
grant update (state, settled, closed_at) on ledger.hold to authenticated, service_role;

create view audit.entries with (security_invoker = true) as
    select e.transfer_id, e.account_id, e.lot_id, e.tenant_id, e.unit, e.amount, t.kind, t.ref, e.created_at
    from ledger.entry e join ledger.transfer t on t.id = e.transfer_id;
create view audit.balances with (security_invoker = true) as
    select a.id as account_id, a.tenant_id, a.kind, a.unit, coalesce(sum(e.amount), 0)::bigint as balance,
           case when a.kind <> 'issued' then 0 end as floor
    from ledger.account a left join ledger.entry e on e.account_id = a.id
    group by a.id;
create view audit.holds with (security_invoker = true) as
    select id, tenant_id, unit, amount, settled, state, ref, created_at, expires_at, closed_at from ledger.hold;
grant select on ledger.account, ledger.lot, ledger.hold, ledger.transfer, ledger.entry to auditor;
grant select on audit.entries, audit.balances, audit.holds to auditor;
