-- When a tenant goes, what its runs said goes with it; the run's row stays, because the books refer to it.
grant delete on gateway.run_event to service_role;
