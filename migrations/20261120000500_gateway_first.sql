create schema gateway;
grant usage on schema gateway to authenticated, service_role, auditor;

-- One server-owned generation. A tab, a socket or a node may die; the run does not: it ends once.
create table gateway.run (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    reservation_id uuid not null references entitlement.reservation (id),
    storefront text not null,
    route text not null,
    model text not null,
    state text not null default 'queued',
    reason text,
    output text not null default '',
    tokens_in bigint not null default 0,
    tokens_out bigint not null default 0,
    cost_nano_usd bigint not null default 0,
    last_event integer not null default 0,
    cancel_requested boolean not null default false,
    node_id uuid not null,
    lease_until timestamptz not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    constraint run_reservation_key unique (reservation_id),
    constraint run_state_known check (state in ('queued', 'running', 'completed', 'failed', 'cancelled')),
    constraint run_ends_once check ((state in ('completed', 'failed', 'cancelled')) = (ended_at is not null)),
    constraint run_counts_not_negative check (tokens_in >= 0 and tokens_out >= 0 and cost_nano_usd >= 0)
);
create index run_tenant_idx on gateway.run (tenant_id, created_at);
create index run_lease_idx on gateway.run (lease_until) where ended_at is null;

-- The numbered events of a run, durable before anyone sees them.
create table gateway.run_event (
    run_id uuid not null references gateway.run (id),
    seq integer not null,
    tenant_id uuid not null references identity.tenant (id),
    kind text not null,
    data jsonb not null,
    primary key (run_id, seq),
    constraint run_event_seq_positive check (seq > 0),
    constraint run_event_kind_known check (kind in ('started', 'delta', 'ended'))
);
create index run_event_tenant_idx on gateway.run_event (tenant_id);
create unique index run_event_ends_once on gateway.run_event (run_id) where kind = 'ended';

call auth.protect('gateway.run', 'tenant_id = (select auth.tenant_id())');
call auth.protect('gateway.run_event', 'tenant_id = (select auth.tenant_id())');

grant select, insert on gateway.run, gateway.run_event to authenticated, service_role;
grant update (state, reason, output, tokens_in, tokens_out, cost_nano_usd, last_event, cancel_requested, model,
    node_id, lease_until, started_at, ended_at) on gateway.run to authenticated, service_role;

create view audit.inference with (security_invoker = true) as
    select id, tenant_id, state, reason, model, tokens_in, tokens_out, cost_nano_usd as cost, created_at, ended_at
    from gateway.run;
grant select (id, tenant_id, state, reason, model, tokens_in, tokens_out, cost_nano_usd, created_at, ended_at)
    on gateway.run to auditor;
grant select on audit.inference to auditor;
