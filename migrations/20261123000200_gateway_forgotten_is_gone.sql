-- Whoever asks for words that were deleted is told that they are gone, whichever way they went; until now a run whose response or
-- message was deleted seemed to have said nothing.
create or replace function gateway.forget_runs(gone uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
declare
    found uuid[];
begin
    -- the house's own work has no tenant; whoever else has none reaches nothing
    with forgotten as (
        update gateway.run set output = '', sealed_output = null, text_gone_at = coalesce(text_gone_at, now())
        where id = any (gone) and ended_at is not null and (current_setting('role') = 'service_role' or tenant_id = auth.tenant_id())
        returning id)
    select coalesce(array_agg(id), '{}') into found from forgotten;
    delete from gateway.run_event where run_id = any (found);
    delete from gateway.run_text where run_id = any (found);
end
$$;
