-- What one process has taken of a tenant's limits at a storefront, to admit work from its own memory. The sum over the leases
-- that are alive, and what is under way outside of them, never exceeds the plan.
create table entitlement.lease (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    node_id uuid not null,
    -- pieces of work that may begin in any sixty seconds, and be under way at once
    rate_slots integer not null,
    places integer not null,
    lease_until timestamptz not null,
    -- another process is short of something: give back what is idle
    recalled boolean not null default false,
    -- the plan has changed: nothing more is admitted by what was known of it
    stale boolean not null default false,
    constraint lease_one_per_node unique (tenant_id, storefront, node_id),
    constraint lease_not_negative check (rate_slots >= 0 and places >= 0)
);
create index lease_node_idx on entitlement.lease (node_id) where recalled or stale;
create index lease_until_idx on entitlement.lease (lease_until);

-- Units that a process has set aside for many pieces of work: one hold of the ledger. When it closes, the hold is settled with
-- the sum of its usage rows.
create table entitlement.block (
    id uuid primary key references ledger.hold (id),
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    unit text not null,
    amount bigint not null,
    lease_id uuid not null,
    -- from then on nothing more is admitted from it, since its lots are over
    usable_until timestamptz not null,
    used bigint not null default 0,
    state text not null default 'open',
    created_at timestamptz not null,
    closed_at timestamptz,
    constraint block_amount_positive check (amount > 0),
    constraint block_used_within check (used between 0 and amount),
    constraint block_state_known check (state in ('open', 'closed')),
    constraint block_closed_once check ((state = 'open') = (closed_at is null))
);
create index block_open_idx on entitlement.block (tenant_id, storefront, unit) where state = 'open';
create index block_lease_idx on entitlement.block (lease_id) where state = 'open';

alter table entitlement.reservation
    add column lease_id uuid,
    add column block_id uuid references entitlement.block (id);
alter table entitlement.usage add column block_id uuid references entitlement.block (id);

-- what is under way has a hold of its own: a block of one, of a process that is not heard of any more
insert into entitlement.block (id, tenant_id, storefront, unit, amount, lease_id, usable_until, created_at)
    select id, tenant_id, storefront, unit, amount, id, created_at, created_at from entitlement.reservation where state = 'open';
update entitlement.reservation set block_id = id, lease_id = id where state = 'open';
alter table entitlement.reservation add constraint reservation_open_is_of_a_block
    check (state <> 'open' or (block_id is not null and lease_id is not null));

create index reservation_block_idx on entitlement.reservation (block_id) where state = 'open';
create index reservation_lease_idx on entitlement.reservation (tenant_id, storefront) where state = 'open';
create index usage_block_idx on entitlement.usage (block_id);

call auth.protect('entitlement.lease', 'tenant_id = (select auth.tenant_id())');
call auth.protect('entitlement.block', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on entitlement.lease to authenticated, service_role;
grant update (rate_slots, places, lease_until, recalled, stale) on entitlement.lease to authenticated, service_role;
grant select, insert on entitlement.block to authenticated, service_role;
grant update (used, state, closed_at) on entitlement.block to authenticated, service_role;
grant update (block_id) on entitlement.reservation to authenticated, service_role;
