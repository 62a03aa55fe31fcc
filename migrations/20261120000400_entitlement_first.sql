create schema entitlement;
grant usage on schema entitlement to anon, authenticated, service_role, auditor;

-- A plan as it was sold: never changed, a new version is a new row.
create table entitlement.plan_version (
    id uuid primary key,
    storefront text not null,
    plan text not null,
    version integer not null,
    terms jsonb not null,
    created_at timestamptz not null,
    constraint plan_version_key unique (storefront, plan, version)
);

-- Which plan a tenant is on where. No row means the storefront's default plan for guests or users.
create table entitlement.enrolment (
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    plan_version_id uuid not null references entitlement.plan_version (id),
    since timestamptz not null,
    primary key (tenant_id, storefront)
);

-- Admission of one piece of work. Open rows under lease are the concurrency in use, rows of the last
-- minute are the rate: there is no counter beside them that could disagree.
create table entitlement.reservation (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    unit text not null,
    amount bigint not null,
    state text not null default 'open',
    ref text not null,
    created_at timestamptz not null,
    lease_until timestamptz not null,
    closed_at timestamptz,
    constraint reservation_amount_positive check (amount > 0),
    constraint reservation_state_known check (state in ('open', 'settled', 'released', 'lapsed')),
    constraint reservation_closed_once check ((state = 'open') = (closed_at is null))
);
create index reservation_recent_idx on entitlement.reservation (tenant_id, storefront, created_at);
create index reservation_open_idx on entitlement.reservation (lease_until) where state = 'open';

-- What one piece of work used; the units of a reservation's hold that were settled.
create table entitlement.usage (
    reservation_id uuid primary key references entitlement.reservation (id),
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    unit text not null,
    amount bigint not null,
    ref text not null,
    model text not null,
    tokens_in bigint not null,
    tokens_out bigint not null,
    cost_nano_usd bigint not null,
    outcome text not null,
    at timestamptz not null,
    constraint usage_not_negative check (amount >= 0 and tokens_in >= 0 and tokens_out >= 0 and cost_nano_usd >= 0),
    constraint usage_outcome_known check (outcome in ('completed', 'failed', 'cancelled'))
);
create index usage_tenant_idx on entitlement.usage (tenant_id, storefront, at);

call auth.protect('entitlement.plan_version', 'true');
call auth.protect('entitlement.enrolment', 'tenant_id = (select auth.tenant_id())');
call auth.protect('entitlement.reservation', 'tenant_id = (select auth.tenant_id())');
call auth.protect('entitlement.usage', 'tenant_id = (select auth.tenant_id())');

grant select on entitlement.plan_version, entitlement.enrolment to authenticated, service_role;
grant insert on entitlement.plan_version to service_role;
grant insert, update on entitlement.enrolment to service_role;
grant select, insert on entitlement.reservation, entitlement.usage to authenticated, service_role;
grant update (state, closed_at, lease_until) on entitlement.reservation to authenticated, service_role;
