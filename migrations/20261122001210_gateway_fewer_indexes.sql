-- Events and texts are found by their run alone, so they need no index by tenant; a tenant that goes is found by its runs.
drop index gateway.run_event_tenant_idx;
drop index gateway.run_text_tenant_idx;

create or replace function gateway.forget_tenant(gone uuid) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from gateway.cached_answer where tenant_id = gone;
    delete from gateway.cached_vector where tenant_id = gone;
    delete from gateway.run_event e using gateway.run r where r.tenant_id = gone and e.run_id = r.id;
    delete from gateway.run_text t using gateway.run r where r.tenant_id = gone and t.run_id = r.id;
    delete from gateway.retention where tenant_id = gone;
    update gateway.run set output = '', tags = '{}' where tenant_id = gone;
end
$$;
