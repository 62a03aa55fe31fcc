-- When a tenant goes, what its runs said goes with it; their rows stay, because the books refer to them. No role may remove
-- an event by itself, so this is the one way.
create function gateway.forget_tenant(gone uuid) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from gateway.run_event where tenant_id = gone;
    update gateway.run set output = '' where tenant_id = gone;
end
$$;
revoke execute on function gateway.forget_tenant(uuid) from public;
grant execute on function gateway.forget_tenant(uuid) to service_role;
