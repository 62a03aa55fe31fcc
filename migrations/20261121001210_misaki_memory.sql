-- What a person has agreed to; no row is no.
create table misaki.consent (
    tenant_id uuid primary key references identity.tenant (id),
    -- that she remembers what a talk was about
    memory_at timestamptz,
    -- that talks are used to train the house's models
    training_at timestamptz
);

-- What is remembered of a person. It goes with the message that it was learnt from.
create table misaki.memory (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    kind text not null,
    text text not null,
    chat_id uuid not null,
    message_id uuid not null,
    edited boolean not null default false,
    created_at timestamptz not null,
    constraint memory_kind_known check (kind in ('fact', 'mood', 'summary')),
    constraint memory_text_length check (char_length(text) between 1 and 200),
    constraint memory_of_message foreign key (message_id, chat_id) references misaki.message (id, chat_id) on delete cascade
);
create index memory_tenant_idx on misaki.memory (tenant_id, created_at);
create index memory_message_idx on misaki.memory (message_id);
create unique index memory_once on misaki.memory (tenant_id, text) where kind = 'fact';
create unique index memory_of_chat on misaki.memory (chat_id, kind) where kind <> 'fact';

-- How often in a day the house has learnt from a person's talks, and what that has cost the house.
create table misaki.learning (
    tenant_id uuid not null references identity.tenant (id),
    day date not null,
    times integer not null,
    cost_nano_usd bigint not null default 0,
    primary key (tenant_id, day)
);

-- The number of the last message that was learnt from.
alter table misaki.chat add column learnt_seq integer not null default 0;

call auth.protect('misaki.consent', 'tenant_id = (select auth.tenant_id())');
call auth.protect('misaki.memory', 'tenant_id = (select auth.tenant_id())');
call auth.protect('misaki.learning', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on misaki.consent, misaki.memory, misaki.learning to authenticated, service_role;
grant update (memory_at, training_at) on misaki.consent to authenticated, service_role;
grant update (text, edited) on misaki.memory to authenticated, service_role;
grant update (times, cost_nano_usd) on misaki.learning to authenticated, service_role;
grant update (learnt_seq) on misaki.chat to authenticated, service_role;
