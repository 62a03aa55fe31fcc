-- An answer that may not be said: what was shown of it is taken back, and its run says for which kind of reason, never with
-- which words.
alter table gateway.run add column refused_for text;
create index run_refused_idx on gateway.run (ended_at) where refused_for is not null;
grant select (refused_for) on gateway.run to auditor;

alter table gateway.run_event drop constraint run_event_kind_known;
alter table gateway.run_event add constraint run_event_kind_known
    check (kind in ('started', 'aside', 'delta', 'withdrawn', 'ended'));

-- Takes the words out of what a run has told; its events keep their numbers.
create function gateway.withdraw(said uuid, why text) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if current_setting('role') <> 'service_role' then
        raise exception 'only the house withdraws what was said';
    end if;
    update gateway.run_event set data = '{"text": ""}' where run_id = said and kind = 'delta';
    update gateway.run set refused_for = why where id = said;
end
$$;
revoke execute on function gateway.withdraw(uuid, text) from public;
grant execute on function gateway.withdraw(uuid, text) to service_role;
