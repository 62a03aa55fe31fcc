-- Runs that have not ended, by their tenant: for a run's place among those that have not begun, which read every run of the
-- tenant's last ten minutes. Whoever looks for runs whose node is gone reads all of them, and there are never many; a lease that is
-- not in an index is renewed without touching one.
create index run_live_idx on gateway.run (tenant_id, created_at) where ended_at is null;
drop index gateway.run_lease_idx;
