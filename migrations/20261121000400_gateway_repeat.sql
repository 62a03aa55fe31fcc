-- The run that a request with an Idempotency-Key has started, so that the same request again finds it instead of a second one.
create table gateway.repeat_key (
    tenant_id uuid not null references identity.tenant (id),
    -- who asked, at which door, with which key
    key text not null,
    fingerprint bytea not null,
    run_id uuid not null,
    created_at timestamptz not null,
    constraint repeat_key_once primary key (tenant_id, key),
    constraint repeat_key_length check (length(key) between 1 and 400)
);
create index repeat_key_age_idx on gateway.repeat_key (tenant_id, created_at);

call auth.protect('gateway.repeat_key', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on gateway.repeat_key to authenticated, service_role;
