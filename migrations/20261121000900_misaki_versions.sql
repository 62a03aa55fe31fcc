-- A conversation is a tree: a message follows another, and whatever follows the same one is a version of each other.
-- leaf_id is the end of what is shown; none is the end of an empty conversation.
alter table misaki.message
    add column parent_id uuid,
    add column indexed boolean not null default false,
    add constraint message_in_chat unique (id, chat_id),
    add constraint message_follows foreign key (parent_id, chat_id) references misaki.message (id, chat_id) on delete cascade;
update misaki.message m set parent_id =
    (select p.id from misaki.message p where p.chat_id = m.chat_id and p.seq < m.seq order by p.seq desc limit 1);
create index message_parent_idx on misaki.message (parent_id);
create index message_unindexed_idx on misaki.message (tenant_id) where not indexed;

alter table misaki.chat
    add column leaf_id uuid,
    add column pinned_at timestamptz,
    add column folder text,
    add constraint chat_leaf foreign key (leaf_id, id) references misaki.message (id, chat_id) on delete set null (leaf_id),
    add constraint chat_folder_length check (char_length(folder) between 1 and 40);
update misaki.chat c set leaf_id = (select m.id from misaki.message m where m.chat_id = c.id order by m.seq desc limit 1);
create index chat_leaf_idx on misaki.chat (leaf_id);

-- What the runs of deleted messages have said goes with them; their rows stay, because the books refer to them.
create function gateway.forget_runs(gone uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    -- the house's own work has no tenant; whoever else has none reaches nothing
    delete from gateway.run_event e using gateway.run r
    where r.id = e.run_id and r.id = any (gone) and r.ended_at is not null
        and (current_setting('role') = 'service_role' or r.tenant_id = auth.tenant_id());
    update gateway.run set output = ''
    where id = any (gone) and ended_at is not null and (current_setting('role') = 'service_role' or tenant_id = auth.tenant_id());
end
$$;
revoke execute on function gateway.forget_runs(uuid[]) from public;
grant execute on function gateway.forget_runs(uuid[]) to authenticated, service_role;

-- What search looks into. The grams are hashes of the tenant with one or two letters, so that no list of the index mixes
-- tenants; what they find is looked at again, letter by letter.
create table misaki.found (
    message_id uuid primary key references misaki.message (id) on delete cascade,
    tenant_id uuid not null,
    at timestamptz not null,
    folded text not null,
    grams integer[] not null
);
create index found_grams_idx on misaki.found using gin (grams) with (fastupdate = off);

call auth.protect('misaki.found', 'tenant_id = (select auth.tenant_id())');
grant select, insert on misaki.found to authenticated, service_role;
grant update (title, updated_at, leaf_id, pinned_at, folder) on misaki.chat to authenticated, service_role;
grant update (indexed) on misaki.message to authenticated, service_role;
