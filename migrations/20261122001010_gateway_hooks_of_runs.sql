-- The address that a run named to be told of its end, and which ends it wants to hear of.
create table gateway.run_hook (
    run_id uuid primary key references gateway.run (id),
    tenant_id uuid not null references identity.tenant (id),
    url text not null,
    events text[] not null,
    constraint run_hook_url_length check (length(url) between 1 and 2000)
);
create index run_hook_tenant_idx on gateway.run_hook (tenant_id);

call auth.protect('gateway.run_hook', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on gateway.run_hook to authenticated, service_role;
