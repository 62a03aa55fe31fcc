-- A job that a run has at a provider that works through a queue: written before the job is waited for, so that whoever
-- outlives the run's node can end it. What is open while its run has ended is nobody's and is cancelled.
create table gateway.remote_job (
    run_id uuid not null references gateway.run (id),
    tenant_id uuid not null references identity.tenant (id),
    base_url text not null,
    endpoint text not null,
    job text not null,
    created_at timestamptz not null,
    -- when the provider itself drops it
    dies_at timestamptz not null,
    closed_at timestamptz,
    constraint remote_job_once primary key (run_id, job),
    constraint remote_job_name_length check (length(job) between 1 and 200)
);
create index remote_job_open_idx on gateway.remote_job (created_at) where closed_at is null;
create index remote_job_tenant_idx on gateway.remote_job (tenant_id);

call auth.protect('gateway.remote_job', 'tenant_id = (select auth.tenant_id())');

grant select, insert on gateway.remote_job to authenticated, service_role;
grant update (closed_at) on gateway.remote_job to authenticated, service_role;
