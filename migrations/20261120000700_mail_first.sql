create schema mail;
grant usage on schema mail to authenticated, service_role, auditor;

-- A letter on its way. The row stays for ever, because its key is what makes a repeated post one letter; to whom it
-- went and what it said are taken out once it was sent.
create table mail.letter (
    id uuid primary key,
    key text not null,
    to_address text,
    lang text not null,
    template text not null,
    data jsonb,
    state text not null default 'queued',
    attempts integer not null default 0,
    -- when it is due; of a dead letter, when its payload goes
    next_at timestamptz not null,
    lease_until timestamptz,
    -- who sends it now: a result under another lease comes too late
    lease_id uuid,
    last_error text,
    created_at timestamptz not null,
    sent_at timestamptz,
    constraint letter_key unique (key),
    constraint letter_key_length check (length(key) between 1 and 200),
    constraint letter_lang_known check (lang in ('ja', 'en')),
    constraint letter_state_known check (state in ('queued', 'sending', 'sent', 'dead', 'suppressed')),
    constraint letter_sending_is_leased check ((state = 'sending') = (lease_until is not null and lease_id is not null)),
    constraint letter_open_is_whole check (state in ('sent', 'dead', 'suppressed') or (to_address is not null and data is not null)),
    constraint letter_done_is_empty check (state not in ('sent', 'suppressed') or (to_address is null and data is null)),
    constraint letter_sent_has_time check ((state = 'sent') = (sent_at is not null))
);
create index letter_due_idx on mail.letter (coalesce(lease_until, next_at)) where state in ('queued', 'sending');
create index letter_clear_idx on mail.letter (next_at) where state = 'dead' and data is not null;

-- Who wants no letters on a topic; an address is kept only as a hash under the house's key.
create table mail.suppression (
    address_hash bytea not null,
    topic text not null,
    created_at timestamptz not null,
    primary key (address_hash, topic),
    constraint suppression_address_hashed check (length(address_hash) = 32)
);

call auth.protect('mail.letter', null);
call auth.protect('mail.suppression', null);
-- A tenant's transaction may post, in the columns that a new letter has, and reads nothing, not even what it posted.
create policy post on mail.letter for insert to authenticated with check (state = 'queued' and attempts = 0);

grant insert (id, key, to_address, lang, template, data, next_at, created_at) on mail.letter to authenticated;
grant select, insert, update on mail.letter to service_role;
grant select, insert on mail.suppression to service_role;

create view audit.letters with (security_invoker = true) as
    select id, template, state, attempts, created_at, sent_at from mail.letter;
grant select (id, template, state, attempts, created_at, sent_at) on mail.letter to auditor;
grant select on audit.letters to auditor;
