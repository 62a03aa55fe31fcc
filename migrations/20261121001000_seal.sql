-- The keys that secrets in this database are sealed under, by their ids alone: the keys themselves are elsewhere. It is how a
-- process finds out that it was started without the right one.
create table noren.seal_key (
    id text primary key,
    first_seen_at timestamptz not null,
    constraint seal_key_id_form check (id ~ '^[0-9a-f]{16}$')
);

call auth.protect('noren.seal_key', null);
grant select, insert, delete on noren.seal_key to service_role;
