-- What a console shows of past runs: by whose key and door they came, what was asked, and until when that is kept.
alter table gateway.run
    add column key_id uuid references identity.api_key (id),
    add column door text not null default 'native',
    add column tags text[] not null default '{}',
    add column tokens_cached bigint not null default 0,
    -- answered from the response cache
    add column is_cached boolean not null default false,
    -- false: whoever asked wanted no text kept
    add column is_stored boolean not null default true,
    -- since when what was asked and answered is gone; the row stays, because the books refer to it
    add column text_gone_at timestamptz,
    add constraint run_cached_tokens_not_negative check (tokens_cached >= 0),
    add constraint run_tags_bounded check (cardinality(tags) <= 10);
create index run_unkept_idx on gateway.run (ended_at) where not is_stored and text_gone_at is null;
create index run_created_idx on gateway.run using brin (created_at);
grant update (tokens_cached, is_cached) on gateway.run to authenticated, service_role;

-- What was asked, as it can be shown: without pictures.
create table gateway.run_text (
    run_id uuid primary key references gateway.run (id),
    tenant_id uuid not null references identity.tenant (id),
    request jsonb not null
);
create index run_text_tenant_idx on gateway.run_text (tenant_id);
call auth.protect('gateway.run_text', 'tenant_id = (select auth.tenant_id())');
grant select, insert on gateway.run_text to authenticated, service_role;

-- How long texts are kept: a tenant's own rule, and rules of single keys, which go before it.
create table gateway.retention (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    key_id uuid references identity.api_key (id),
    keep text not null,
    days integer,
    changed_at timestamptz not null,
    constraint retention_once unique nulls not distinct (tenant_id, key_id),
    constraint retention_keep_known check (keep in ('none', 'metadata', 'days', 'always')),
    constraint retention_days_belong check ((keep = 'days') = (days is not null) and coalesce(days, 1) between 1 and 3650)
);
call auth.protect('gateway.retention', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on gateway.retention to authenticated, service_role;
grant update (keep, days, changed_at) on gateway.retention to authenticated, service_role;

-- Letters as a search compares them: of one width, one case, one kana.
create function gateway.fold(words text) returns text
    language sql immutable parallel safe
    return translate(lower(normalize(words, NFKC)),
        'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲンヴヵヶ',
        'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんゔゕゖ');
grant execute on function gateway.fold(text) to authenticated, service_role;

-- Removes what ended runs of a tenant asked and said; their rows stay. No role may remove it by itself, so that the house
-- alone decides; a run that is under way is passed over.
create function gateway.forget_texts(whose uuid, runs uuid[], gone timestamptz) returns bigint
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
    return cardinality(found);
end
$$;
revoke execute on function gateway.forget_texts(uuid, uuid[], timestamptz) from public;
grant execute on function gateway.forget_texts(uuid, uuid[], timestamptz) to service_role;

create or replace function gateway.forget_tenant(gone uuid) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from gateway.run_event where tenant_id = gone;
    delete from gateway.run_text where tenant_id = gone;
    delete from gateway.retention where tenant_id = gone;
    update gateway.run set output = '', tags = '{}' where tenant_id = gone;
end
$$;
