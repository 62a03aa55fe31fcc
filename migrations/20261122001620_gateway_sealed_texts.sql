-- What runs are asked and what they say is sealed under keys that the database does not have (decision 0041). A column without its
-- sealed one has what was written before; the hourly walk seals it.
alter table gateway.run add column sealed_output bytea;
alter table gateway.run_event add column sealed bytea;
alter table gateway.run_text
    alter column request drop not null,
    add column sealed bytea,
    add constraint run_text_is_one check (num_nonnulls(request, sealed) = 1);
alter table gateway.response
    alter column card drop not null,
    add column sealed_card bytea,
    add column sealed_conversation bytea,
    add constraint response_card_is_one check (num_nonnulls(card, sealed_card) = 1);
alter table gateway.endpoint_job add column sealed_ask bytea;
-- what is sealed gets no smaller
alter table gateway.run alter column sealed_output set storage external;
alter table gateway.run_event alter column sealed set storage external;
alter table gateway.run_text alter column sealed set storage external;
alter table gateway.response alter column sealed_card set storage external, alter column sealed_conversation set storage external;
alter table gateway.endpoint_job alter column sealed_ask set storage external;

grant update (sealed_output) on gateway.run to authenticated, service_role;
grant update (request, sealed) on gateway.run_text to service_role;
grant update (card, conversation, sealed_card, sealed_conversation) on gateway.response to service_role;
grant update (sealed_ask) on gateway.endpoint_job to authenticated, service_role;

-- How far the texts were sealed under a key since it became the first: up to which run, how many did not open, and when nothing
-- was left.
create table gateway.text_walk (
    key text primary key,
    began_at timestamptz not null,
    past uuid not null,
    closed bigint not null,
    done_at timestamptz
);
call auth.protect('gateway.text_walk', null);
grant select, insert, delete on gateway.text_walk to service_role;
grant update (past, closed, done_at) on gateway.text_walk to service_role;

-- Puts the words of events that are there under another seal. What was taken back or removed meanwhile stays so.
create function gateway.seal_events(runs uuid[], seqs integer[], befores bytea[], anew bytea[]) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if current_setting('role') <> 'service_role' then
        raise exception 'only the house seals what was said';
    end if;
    update gateway.run_event e set data = '{}', sealed = s.anew
    from unnest(runs, seqs, befores, anew) as s (run, seq, before, anew)
    where e.run_id = s.run and e.seq = s.seq and e.kind = 'delta'
        and e.sealed is not distinct from s.before and (s.before is not null or e.data <> '{"text": ""}');
end
$$;
revoke execute on function gateway.seal_events(uuid[], integer[], bytea[], bytea[]) from public;
grant execute on function gateway.seal_events(uuid[], integer[], bytea[], bytea[]) to service_role;

-- Whatever removed the words removes them in their new columns.
create or replace function gateway.withdraw(said uuid, why text) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if current_setting('role') <> 'service_role' then
        raise exception 'only the house withdraws what was said';
    end if;
    update gateway.run_event set data = '{"text": ""}', sealed = null where run_id = said and kind = 'delta';
    update gateway.run set refused_for = why where id = said;
end
$$;

create or replace function gateway.forget_runs(gone uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    -- the house's own work has no tenant; whoever else has none reaches nothing
    delete from gateway.run_event e using gateway.run r
    where r.id = e.run_id and r.id = any (gone) and r.ended_at is not null
        and (current_setting('role') = 'service_role' or r.tenant_id = auth.tenant_id());
    update gateway.run set output = '', sealed_output = null
    where id = any (gone) and ended_at is not null and (current_setting('role') = 'service_role' or tenant_id = auth.tenant_id());
end
$$;

create or replace function gateway.forget_texts(whose uuid, runs uuid[], gone timestamptz) returns bigint
    language plpgsql security definer set search_path = pg_catalog
as $$
declare
    found uuid[];
begin
    with forgotten as (
        update gateway.run set output = '', sealed_output = null, text_gone_at = gone
        where id = any (runs) and tenant_id = whose and ended_at is not null and text_gone_at is null
        returning id)
    select coalesce(array_agg(id), '{}') into found from forgotten;
    delete from gateway.run_event where run_id = any (found) and kind = 'delta';
    delete from gateway.run_text where run_id = any (found);
    delete from gateway.response where run_id = any (found);
    return cardinality(found);
end
$$;

create or replace function gateway.forget_tenant(gone uuid) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from gateway.cached_answer where tenant_id = gone;
    delete from gateway.cached_vector where tenant_id = gone;
    delete from gateway.run_event e using gateway.run r where r.tenant_id = gone and e.run_id = r.id;
    delete from gateway.run_text t using gateway.run r where r.tenant_id = gone and t.run_id = r.id;
    delete from gateway.retention where tenant_id = gone;
    update gateway.run set output = '', sealed_output = null, tags = '{}' where tenant_id = gone;
end
$$;

-- Lines of files go with their file, within thirty days: those from before stay as they are until then.
alter table gateway.file_line add column is_sealed boolean not null default false;
alter table gateway.file_line alter column data set storage external;
grant update (data, is_sealed) on gateway.file_line to service_role;
