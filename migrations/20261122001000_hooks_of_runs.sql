-- One endpoint of a tenant may have no address: its secret signs what goes to addresses that single runs name.
alter table hooks.endpoint add column for_runs boolean not null default false;
alter table hooks.endpoint drop constraint endpoint_url_length;
alter table hooks.endpoint add constraint endpoint_url_length
    check (length(url) <= 2000 and for_runs = (url = ''));
create unique index endpoint_for_runs_once on hooks.endpoint (tenant_id) where for_runs;
grant select (for_runs) on hooks.endpoint to authenticated;

-- Where such a delivery goes, and the run that it tells of.
alter table hooks.delivery add column url text;
alter table hooks.delivery add column run_id uuid;
alter table hooks.delivery add constraint delivery_of_run_whole check ((url is null) = (run_id is null));
alter table hooks.delivery add constraint delivery_url_length check (length(url) between 1 and 2000);
create index delivery_run_idx on hooks.delivery (run_id) where run_id is not null;
grant insert (url, run_id) on hooks.delivery to authenticated;
