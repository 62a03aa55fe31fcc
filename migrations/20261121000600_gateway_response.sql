-- What an answer of /v1/responses repeats of its request, so that it can be fetched later; what was answered is the run's.
create table gateway.response (
    run_id uuid primary key references gateway.run (id),
    tenant_id uuid not null references identity.tenant (id),
    -- the public name that was asked for
    model text not null,
    card jsonb not null,
    created_at timestamptz not null
);
create index response_tenant_idx on gateway.response (tenant_id);

call auth.protect('gateway.response', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on gateway.response to authenticated, service_role;
