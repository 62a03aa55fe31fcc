-- What is said of late is found by walking back from the newest: a common word fills a page there, however many messages
-- have it. What is rarer is found by its letters.
create index found_newest_idx on misaki.found (tenant_id, at desc, message_id desc);

-- Messages of the caller's tenant with all words in them, newest first. As its owner, since an index on letters can't be used
-- under row-level security; the tenant is the transaction's own and no argument.
create function misaki.find(words text[], letters integer[], most integer) returns uuid[]
    language plpgsql stable security definer set search_path = pg_catalog
as $$
declare
    own uuid := auth.tenant_id();
    hits uuid[];
begin
    hits := array(
        select n.message_id
        from (select message_id, at, folded from misaki.found where tenant_id = own
              order by at desc, message_id desc limit 400) n
        where (select bool_and(strpos(n.folded, w) > 0) from unnest(words) w)
        order by n.at desc, n.message_id desc limit most);
    if cardinality(hits) < most then
        hits := array(
            select f.message_id from misaki.found f
            where f.tenant_id = own and f.grams @> letters
                and (select bool_and(strpos(f.folded, w) > 0) from unnest(words) w)
            order by f.at desc, f.message_id desc limit most);
    end if;
    return hits;
end
$$;
revoke execute on function misaki.find(text[], integer[], integer) from public;
grant execute on function misaki.find(text[], integer[], integer) to authenticated;
