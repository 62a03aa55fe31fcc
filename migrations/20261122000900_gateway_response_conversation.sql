-- What was said up to a response, without its instructions, so that another can go on from it.
alter table gateway.response add column conversation jsonb;

-- What a response repeats of its request is text as well, and goes with the run's.
create or replace function gateway.forget_texts(whose uuid, runs uuid[], gone timestamptz) returns bigint
    language plpgsql security definer set search_path = pg_catalog
as $$
declare
    found uuid[];
begin
    with forgotten as (
        update gateway.run set output = '', text_gone_at = gone
        where id = any (runs) and tenant_id = whose and ended_at is not null and text_gone_at is null
        returning id)
    select coalesce(array_agg(id), '{}') into found from forgotten;
    delete from gateway.run_event where run_id = any (found) and kind = 'delta';
    delete from gateway.run_text where run_id = any (found);
    delete from gateway.response where run_id = any (found);
    return cardinality(found);
end
$$;
