-- The phrases that the operator has published, each set with its number. The first, number 1, comes with the program and
-- stands in no table.
create table misaki.phrase_set (
    version integer primary key,
    phrases jsonb not null,
    note text,
    published_at timestamptz not null,
    constraint phrase_set_after_first check (version > 1)
);

-- What is being worked on, for the whole house; no row is what is published. Its number counts the changes.
create table misaki.phrase_draft (
    id boolean primary key default true,
    revision integer not null,
    phrases jsonb not null,
    updated_at timestamptz not null,
    constraint phrase_draft_one check (id)
);

-- Where entries of phrases lie, made once for each text and model.
create table misaki.phrase_vector (
    hash bytea not null,
    model text not null,
    vector real[] not null,
    primary key (hash, model)
);

call auth.protect('misaki.phrase_set', 'true');
call auth.protect('misaki.phrase_draft', null);
call auth.protect('misaki.phrase_vector', null);
grant select on misaki.phrase_set to authenticated, service_role;
grant insert on misaki.phrase_set to service_role;
grant select, insert, delete on misaki.phrase_draft, misaki.phrase_vector to service_role;
grant update on misaki.phrase_draft to service_role;
