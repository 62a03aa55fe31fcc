create schema jobs;
grant usage on schema jobs to authenticated, service_role, auditor;

-- Work to be done once the transaction that asked for it is there. It carries ids, never what they stand for.
create table jobs.job (
    id uuid primary key,
    kind text not null,
    payload jsonb not null,
    -- of the jobs of a kind with the same key one waits and one runs at most
    dedupe_key text,
    priority smallint not null default 0,
    state text not null default 'queued',
    attempt integer not null default 0,
    max_attempts integer not null,
    run_at timestamptz not null,
    lease_until timestamptz,
    -- under which lease it runs now: a result under another one comes too late
    lease_id uuid,
    progress smallint,
    last_error text,
    created_at timestamptz not null,
    closed_at timestamptz,
    constraint job_kind_shape check (kind ~ '^[a-z]+\.[a-z_]+$' and length(kind) <= 60),
    constraint job_key_length check (length(dedupe_key) between 1 and 200),
    constraint job_state_known check (state in ('queued', 'running', 'done', 'dead', 'cancelled')),
    constraint job_running_is_leased check ((state = 'running') = (lease_until is not null and lease_id is not null)),
    constraint job_closed_has_time check ((state in ('done', 'dead', 'cancelled')) = (closed_at is not null)),
    constraint job_attempt_within check (attempt between 0 and max_attempts),
    constraint job_progress_percent check (progress between 0 and 100)
);
create unique index job_one_waits on jobs.job (kind, dedupe_key) where state = 'queued' and dedupe_key is not null;
create unique index job_one_runs on jobs.job (kind, dedupe_key) where state = 'running' and dedupe_key is not null;
create index job_due_idx on jobs.job (priority desc, (coalesce(lease_until, run_at)), id) where state in ('queued', 'running');
create index job_list_idx on jobs.job (created_at desc, id desc);
create index job_closed_idx on jobs.job (closed_at) where state in ('done', 'dead', 'cancelled');

-- Up to when the ticks of a schedule were seen to. Whoever moves it on enqueues the job, in the same transaction.
create table jobs.cron (
    name text primary key,
    last_tick timestamptz not null,
    last_run_at timestamptz
);

call auth.protect('jobs.job', null);
call auth.protect('jobs.cron', null);
-- A tenant's transaction may enqueue, in the columns that a new job has, and reads nothing, not even what it enqueued.
create policy enqueue on jobs.job for insert to authenticated with check (state = 'queued' and attempt = 0);

grant insert (id, kind, payload, dedupe_key, priority, max_attempts, run_at, created_at) on jobs.job to authenticated;
grant select, insert, update, delete on jobs.job to service_role;
grant select, insert, update on jobs.cron to service_role;

create view audit.jobs with (security_invoker = true) as
    select id, kind, case when state = 'queued' then 'ready' else state end as state, attempt, lease_until, dedupe_key,
           created_at, closed_at
    from jobs.job;
grant select (id, kind, state, attempt, lease_until, dedupe_key, created_at, closed_at) on jobs.job to auditor;
grant select on audit.jobs to auditor;
