-- A job of RunPod's door: the run that works on it now, how far its stream was told, and what a retry would ask again.
create table gateway.endpoint_job (
    -- the first run's; behind it the door shows the shape
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    run_id uuid not null references gateway.run (id),
    shape text not null,
    -- the number of the last event that the stream has told
    told integer not null default 0,
    -- for a day
    ask jsonb,
    -- who is told of the end
    webhook text,
    created_at timestamptz not null,
    constraint endpoint_job_shape_known check (shape in ('t', 'v')),
    constraint endpoint_job_webhook_length check (length(webhook) <= 2000)
);
create index endpoint_job_tenant_idx on gateway.endpoint_job (tenant_id, created_at);
create index endpoint_job_webhook_idx on gateway.endpoint_job (run_id) where webhook is not null;

call auth.protect('gateway.endpoint_job', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on gateway.endpoint_job to authenticated, service_role;
grant update (run_id, told, ask) on gateway.endpoint_job to authenticated, service_role;
