-- Answers that may be given again: which run said it. The words stay where they are, so that whatever removes them there
-- removes them here.
create table gateway.cached_answer (
    tenant_id uuid not null references identity.tenant (id),
    -- SHA-256 of the target and of everything that was asked of it
    key bytea not null,
    run_id uuid not null references gateway.run (id),
    created_at timestamptz not null,
    primary key (tenant_id, key),
    constraint cached_answer_key_length check (octet_length(key) = 32)
);
create index cached_answer_age_idx on gateway.cached_answer (created_at);
create index cached_answer_run_idx on gateway.cached_answer (run_id);
call auth.protect('gateway.cached_answer', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.cached_answer to authenticated, service_role;
grant update (run_id, created_at) on gateway.cached_answer to authenticated, service_role;

-- Vectors that may be given again.
create table gateway.cached_vector (
    tenant_id uuid not null references identity.tenant (id),
    -- SHA-256 of the target, the wanted length and the text
    key bytea not null,
    -- numbers of 32 bits, little end first
    vector bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, key),
    constraint cached_vector_key_length check (octet_length(key) = 32),
    constraint cached_vector_whole check (octet_length(vector) between 4 and 65536 and octet_length(vector) % 4 = 0)
);
create index cached_vector_age_idx on gateway.cached_vector (created_at);
call auth.protect('gateway.cached_vector', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.cached_vector to authenticated, service_role;
grant update (vector, created_at) on gateway.cached_vector to authenticated, service_role;

create or replace function gateway.forget_tenant(gone uuid) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from gateway.cached_answer where tenant_id = gone;
    delete from gateway.cached_vector where tenant_id = gone;
    delete from gateway.run_event where tenant_id = gone;
    delete from gateway.run_text where tenant_id = gone;
    delete from gateway.retention where tenant_id = gone;
    update gateway.run set output = '', tags = '{}' where tenant_id = gone;
end
$$;
