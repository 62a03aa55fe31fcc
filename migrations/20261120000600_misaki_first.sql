create schema misaki;
grant usage on schema misaki to authenticated, service_role;

create table misaki.chat (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    title text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint chat_whole unique (id, tenant_id)
);
create index chat_tenant_idx on misaki.chat (tenant_id, updated_at, id);

-- An assistant's message has the text of a canned phrase, or the id of the run that writes it.
create table misaki.message (
    id uuid primary key,
    tenant_id uuid not null,
    chat_id uuid not null,
    seq integer not null,
    role text not null,
    text text not null,
    phrase_id text,
    phrase_rule text,
    run_id uuid references gateway.run (id),
    request_key uuid not null,
    created_at timestamptz not null,
    constraint message_of_chat foreign key (chat_id, tenant_id) references misaki.chat (id, tenant_id) on delete cascade,
    constraint message_seq_key unique (chat_id, seq),
    constraint message_request_key unique (tenant_id, request_key, role),
    constraint message_role_known check (role in ('user', 'assistant'))
);
create index message_run_idx on misaki.message (run_id);

call auth.protect('misaki.chat', 'tenant_id = (select auth.tenant_id())');
call auth.protect('misaki.message', 'tenant_id = (select auth.tenant_id())');

grant select, insert, delete on misaki.chat, misaki.message to authenticated, service_role;
grant update (title, updated_at) on misaki.chat to authenticated, service_role;
