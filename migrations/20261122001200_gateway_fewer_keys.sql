-- Foreign keys that say nothing which the one beside them does not. Each was looked up for every row of every call.
--
-- Whose a reservation is, by which key it was asked for and which block it draws on are checked where it is written. What
-- follows from it points at it and is written from it: a usage row is copied from its reservation by the statement that
-- closes it, a run is written from the admission whose reservation was written just before, in one transaction, and what a
-- run is asked and says is written with the run's own tenant. No reservation, run, tenant, key or block is ever deleted, so
-- what was true then stays true.
alter table entitlement.usage
    drop constraint usage_tenant_id_fkey, -- the reservation's
    drop constraint usage_block_id_fkey; -- the reservation's
alter table gateway.run
    drop constraint run_tenant_id_fkey, -- the reservation's
    drop constraint run_key_id_fkey; -- the reservation's
alter table gateway.run_text
    drop constraint run_text_tenant_id_fkey; -- the run's
alter table gateway.run_event
    drop constraint run_event_tenant_id_fkey; -- the run's
