-- Wakes the nodes when a job can be run: one that was enqueued for now, revived or given back. The server tells the same words
-- of one transaction once, however many jobs it has.
create function jobs.call() returns trigger language plpgsql set search_path = '' as $$
begin
    perform pg_catalog.pg_notify('noren_jobs', '');
    return null;
end $$;

create trigger job_call after insert on jobs.job
    for each row when (new.run_at <= new.created_at) execute function jobs.call();
create trigger job_call_again after update of state on jobs.job
    for each row when (new.state = 'queued' and old.state <> 'queued') execute function jobs.call();
