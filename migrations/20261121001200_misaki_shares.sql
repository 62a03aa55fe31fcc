-- A conversation shown to others, as it stood when it was shared: the way to one message, under the title of that moment.
-- Who deletes one of its messages deletes the last one with it, and so the share.
create table misaki.share (
    id uuid primary key,
    tenant_id uuid not null,
    chat_id uuid not null,
    leaf_id uuid not null,
    title text,
    token_hash bytea not null,
    audience text not null,
    created_at timestamptz not null,
    constraint share_token_key unique (token_hash),
    constraint share_audience_known check (audience in ('link', 'signed_in')),
    constraint share_of_chat foreign key (chat_id, tenant_id) references misaki.chat (id, tenant_id) on delete cascade,
    constraint share_of_message foreign key (leaf_id, chat_id) references misaki.message (id, chat_id) on delete cascade
);
create index share_chat_idx on misaki.share (chat_id);
create index share_leaf_idx on misaki.share (leaf_id);

-- A file of conversations from elsewhere. The file itself is kept until it is worked.
create table misaki.import (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    file bytea,
    state text not null,
    chats integer not null default 0,
    messages integer not null default 0,
    left_out integer not null default 0,
    errors jsonb not null default '[]',
    created_at timestamptz not null,
    constraint import_state_known check (state in ('waiting', 'done', 'failed')),
    constraint import_file_waits check ((file is not null) = (state = 'waiting'))
);
create unique index import_waiting_key on misaki.import (tenant_id) where state = 'waiting';
create index import_tenant_idx on misaki.import (tenant_id, created_at);

call auth.protect('misaki.share', 'tenant_id = (select auth.tenant_id())');
call auth.protect('misaki.import', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on misaki.share, misaki.import to authenticated, service_role;
grant update (file, state, chats, messages, left_out, errors) on misaki.import to authenticated, service_role;
