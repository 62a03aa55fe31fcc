create schema genai;
grant usage on schema genai to authenticated, service_role, auditor;

-- A conversation at the playground: which runs belong together, and the name that somebody gave it. No word of it is here;
-- what was asked and answered is with the runs, and goes with them.
create table genai.talk (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    -- none: a guest's, or a key's
    user_id uuid references identity.app_user (id),
    title text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint talk_whole unique (id, tenant_id),
    constraint talk_title_length check (char_length(title) between 1 and 100)
);
create index talk_list_idx on genai.talk (tenant_id, user_id, updated_at desc, id desc);
create index talk_user_idx on genai.talk (user_id);

-- A run of it: one answer of a turn. Models that are asked the same thing side by side have a place each.
create table genai.talk_run (
    run_id uuid primary key references gateway.run (id),
    talk_id uuid not null,
    tenant_id uuid not null,
    turn uuid not null,
    place smallint not null,
    asked_at timestamptz not null,
    constraint talk_run_of_talk foreign key (talk_id, tenant_id) references genai.talk (id, tenant_id) on delete cascade,
    constraint talk_run_place_key unique (talk_id, turn, place),
    constraint talk_run_place_known check (place in (0, 1))
);

call auth.protect('genai.talk', 'tenant_id = (select auth.tenant_id())');
-- and of those, each person's own alone
create policy person on genai.talk as restrictive to authenticated
    using (user_id is not distinct from (select auth.uid())) with check (user_id is not distinct from (select auth.uid()));
call auth.protect('genai.talk_run', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on genai.talk, genai.talk_run to authenticated, service_role;
grant update (title, updated_at) on genai.talk to authenticated, service_role;
