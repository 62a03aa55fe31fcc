-- Files that callers bring and batches leave, kept by the line, so that nobody holds a whole one in memory.
create table gateway.file (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    purpose text not null,
    filename text not null,
    bytes bigint not null default 0,
    lines integer not null default 0,
    -- false while it arrives; what never did goes with its time
    is_whole boolean not null default false,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint file_purpose_known check (purpose in ('batch', 'batch_output')),
    constraint file_name_length check (length(filename) <= 255)
);
create index file_tenant_idx on gateway.file (tenant_id, id);
create index file_expiry_idx on gateway.file (expires_at);
call auth.protect('gateway.file', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.file to authenticated, service_role;
grant update (filename, bytes, lines, is_whole, expires_at) on gateway.file to authenticated, service_role;

create table gateway.file_line (
    file_id uuid not null references gateway.file (id) on delete cascade,
    tenant_id uuid not null references identity.tenant (id),
    line integer not null,
    -- with its end
    data bytea not null,
    primary key (file_id, line)
);
create index file_line_tenant_idx on gateway.file_line (tenant_id);
call auth.protect('gateway.file_line', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.file_line to authenticated, service_role;

-- Many requests in one file, answered when there is room.
create table gateway.batch (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    -- who asks: a key, or a member of the tenant
    key_id uuid references identity.api_key (id),
    user_id uuid,
    storefront text not null,
    endpoint text not null,
    -- without references, since a file may go before its batch
    input_file uuid not null,
    output_file uuid not null,
    error_file uuid not null,
    status text not null,
    metadata jsonb,
    -- what is wrong with it as a whole
    trouble jsonb,
    total integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    tokens_in bigint not null default 0,
    tokens_out bigint not null default 0,
    -- how long its results stay
    keep_seconds integer not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    in_progress_at timestamptz,
    cancelling_at timestamptz,
    ended_at timestamptz,
    constraint batch_endpoint_known check (endpoint in ('/v1/chat/completions', '/v1/embeddings', '/v1/responses')),
    constraint batch_status_known
        check (status in ('validating', 'in_progress', 'cancelling', 'completed', 'failed', 'expired', 'cancelled')),
    constraint batch_has_an_asker check (key_id is not null or user_id is not null)
);
create index batch_tenant_idx on gateway.batch (tenant_id, id);
create index batch_input_idx on gateway.batch (input_file) where ended_at is null;
call auth.protect('gateway.batch', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.batch to authenticated, service_role;
grant update (status, trouble, total, completed, failed, tokens_in, tokens_out, in_progress_at, cancelling_at, ended_at)
    on gateway.batch to authenticated, service_role;

-- The requests of a batch until it ends; what each was answered is a line of one of its files.
create table gateway.batch_line (
    batch_id uuid not null references gateway.batch (id) on delete cascade,
    tenant_id uuid not null references identity.tenant (id),
    line integer not null,
    custom_id text,
    state text not null default 'waiting',
    -- the run or the request for vectors that works on it
    run_id uuid,
    tries integer not null default 0,
    primary key (batch_id, line),
    constraint batch_line_custom_id_once unique (batch_id, custom_id),
    constraint batch_line_state_known check (state in ('waiting', 'asked', 'ended'))
);
create index batch_line_open_idx on gateway.batch_line (batch_id, line) where state <> 'ended';
create index batch_line_tenant_idx on gateway.batch_line (tenant_id);
call auth.protect('gateway.batch_line', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.batch_line to authenticated, service_role;
grant update (state, run_id, tries) on gateway.batch_line to authenticated, service_role;
