create schema hooks;
grant usage on schema hooks to authenticated, service_role, auditor;

-- Where a tenant wants to be told. The secrets are sealed under a key of the house, because signing needs them as they are.
create table hooks.endpoint (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    url text not null,
    -- empty: all
    event_types text[] not null,
    description text not null,
    secret bytea not null,
    -- signs beside the new one until then
    old_secret bytea,
    old_until timestamptz,
    -- why it is told nothing; null: it is told
    off_reason text,
    -- since when every try fails
    failing_since timestamptz,
    created_at timestamptz not null,
    constraint endpoint_url_length check (length(url) between 1 and 2000),
    constraint endpoint_description_length check (length(description) <= 200),
    constraint endpoint_off_known check (off_reason in ('owner', 'failing', 'gone')),
    constraint endpoint_old_whole check ((old_secret is null) = (old_until is null))
);
create index endpoint_tenant_idx on hooks.endpoint (tenant_id, created_at);

-- What happened, as it is told: the same body for every endpoint and at every try.
create table hooks.event (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    type text not null,
    payload jsonb not null,
    created_at timestamptz not null,
    constraint event_payload_size check (octet_length(payload::text) <= 65536)
);
create index event_created_idx on hooks.event (created_at);

create table hooks.delivery (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    event_id uuid not null references hooks.event (id) on delete cascade,
    endpoint_id uuid not null references hooks.endpoint (id) on delete cascade,
    state text not null default 'waiting',
    attempts integer not null default 0,
    created_at timestamptz not null,
    closed_at timestamptz,
    constraint delivery_once unique (event_id, endpoint_id),
    constraint delivery_state_known check (state in ('waiting', 'delivered', 'dead')),
    constraint delivery_closed_has_time check ((state = 'waiting') = (closed_at is null))
);
create index delivery_endpoint_idx on hooks.delivery (endpoint_id, created_at desc, id desc);

create table hooks.attempt (
    delivery_id uuid not null references hooks.delivery (id) on delete cascade,
    number integer not null,
    tenant_id uuid not null references identity.tenant (id),
    at timestamptz not null,
    milliseconds integer not null,
    status integer,
    -- why there was no answer
    error text,
    -- how the answer began
    answer text,
    primary key (delivery_id, number)
);

call auth.protect('hooks.endpoint', 'tenant_id = (select auth.tenant_id())');
call auth.protect('hooks.event', 'tenant_id = (select auth.tenant_id())');
call auth.protect('hooks.delivery', 'tenant_id = (select auth.tenant_id())');
call auth.protect('hooks.attempt', 'tenant_id = (select auth.tenant_id())');

-- A tenant's own transaction may say that something happened; secrets are the house's to read.
grant select (id, tenant_id, url, event_types, description, old_until, off_reason, failing_since, created_at)
    on hooks.endpoint to authenticated;
grant select, insert on hooks.event to authenticated;
grant select on hooks.delivery, hooks.attempt to authenticated;
grant insert (id, tenant_id, event_id, endpoint_id, created_at) on hooks.delivery to authenticated;
grant select, insert, delete on hooks.endpoint, hooks.event to service_role;
grant update (url, event_types, description, secret, old_secret, old_until, off_reason, failing_since) on hooks.endpoint to service_role;
grant select, insert on hooks.delivery, hooks.attempt to service_role;
grant update (state, attempts, closed_at) on hooks.delivery to service_role;

create view audit.hook_deliveries with (security_invoker = true) as
    select d.id, d.tenant_id, d.event_id, e.type, d.endpoint_id, d.state, d.attempts, d.created_at, d.closed_at
    from hooks.delivery d join hooks.event e on e.id = d.event_id;
grant select on hooks.delivery to auditor;
grant select (id, tenant_id, type, created_at) on hooks.event to auditor;
grant select on audit.hook_deliveries to auditor;
