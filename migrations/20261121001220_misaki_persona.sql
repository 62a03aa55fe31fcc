-- The personas that the operator has published, each with its number. The first, number 1, comes with the program and stands
-- in no table.
create table misaki.persona (
    version integer primary key,
    card jsonb not null,
    published_at timestamptz not null,
    constraint persona_after_first check (version > 1)
);
call auth.protect('misaki.persona', 'true');
grant select on misaki.persona to authenticated, service_role;
grant insert on misaki.persona to service_role;

-- Who said that they are of age.
create table misaki.age (
    tenant_id uuid primary key references identity.tenant (id),
    confirmed_at timestamptz not null
);
call auth.protect('misaki.age', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on misaki.age to authenticated, service_role;

-- What somebody thought of an answer. with_talk: the house may read question and answer along with it.
create table misaki.feedback (
    message_id uuid primary key,
    chat_id uuid not null,
    tenant_id uuid not null,
    liked boolean not null,
    reason text,
    text text,
    with_talk boolean not null,
    at timestamptz not null,
    constraint feedback_of_message foreign key (message_id, chat_id) references misaki.message (id, chat_id) on delete cascade,
    constraint feedback_reason_known check (reason in ('wrong', 'cold', 'unsafe', 'out_of_character', 'too_long', 'other')),
    constraint feedback_text_length check (char_length(text) between 1 and 500)
);
create index feedback_at_idx on misaki.feedback (at, message_id);
create index feedback_chat_idx on misaki.feedback (chat_id);
call auth.protect('misaki.feedback', 'tenant_id = (select auth.tenant_id())');
grant select, insert, delete on misaki.feedback to authenticated, service_role;
grant update (liked, reason, text, with_talk, at) on misaki.feedback to authenticated, service_role;
