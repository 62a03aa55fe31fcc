-- People may hold an address that they have not proven yet; only a proven one belongs to one account.
alter table identity.app_user
    alter column email drop not null,
    add column email_verified_at timestamptz,
    add column login_name text,
    add column operator boolean not null default false,
    add column deletion_at timestamptz,
    add column deleted_at timestamptz,
    drop constraint user_email_key,
    add constraint user_login_name_key unique (login_name),
    add constraint user_verifies_an_address check (email_verified_at is null or email is not null);
update identity.app_user set email_verified_at = created_at;
create unique index user_email_key on identity.app_user (email) where email_verified_at is not null;
create index user_email_idx on identity.app_user (email, created_at);
create index user_deletion_idx on identity.app_user (deletion_at) where deleted_at is null;

-- A family's code is what its children sign in with, beside their name and PIN.
alter table identity.tenant
    add column name text not null default '',
    add column code text,
    add column deleted_at timestamptz,
    add constraint tenant_code_key unique (code),
    add constraint tenant_name_length check (length(name) <= 80),
    add constraint tenant_family_has_code check ((kind = 'family') = (code is not null));

-- The seat makes a third guardian impossible, however many accept at once.
alter table identity.membership
    add column guardian_seat smallint,
    drop constraint membership_role_known,
    add constraint membership_role_known check (role in ('owner', 'admin', 'member', 'guardian', 'child')),
    add constraint membership_guardian_has_seat check ((role = 'guardian') = (guardian_seat is not null)),
    add constraint membership_two_guardians check (guardian_seat in (1, 2)),
    add constraint membership_seat_key unique (tenant_id, guardian_seat);

-- How and when the session's holder last proved who they are; sensitive actions ask for a recent proof.
alter table identity.session
    add column proven_at timestamptz,
    add column proofs text[] not null default '{}',
    add column last_seen_at timestamptz,
    add column network text not null default '';
update identity.session set proven_at = created_at where user_id is not null;

-- A browser that its owner signed in from before: guesses from elsewhere can't lock it out.
create table identity.device (
    id uuid primary key,
    user_id uuid not null references identity.app_user (id),
    token_hash bytea not null,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    constraint device_token_key unique (token_hash),
    constraint device_token_hashed check (length(token_hash) = 32)
);
create index device_user_idx on identity.device (user_id);

-- Tries of one kind from one source, such as guesses at one account, in a window that starts with the first.
create table identity.throttle (
    bucket bytea primary key,
    tries integer not null,
    ends_at timestamptz not null,
    constraint throttle_bucket_hashed check (length(bucket) = 32),
    constraint throttle_tries_not_negative check (tries >= 0)
);
create index throttle_ends_idx on identity.throttle (ends_at);

-- What takes two requests: a sign-in that waits for its second factor, a passkey's challenge, a trip to an issuer.
create table identity.ceremony (
    id uuid primary key,
    kind text not null,
    token_hash bytea not null,
    user_id uuid references identity.app_user (id),
    state jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint ceremony_token_key unique (token_hash),
    constraint ceremony_kind_known check (kind in ('second_factor', 'passkey_sign_in', 'passkey_add', 'passkey_step_up', 'oidc'))
);
create index ceremony_user_idx on identity.ceremony (user_id);
create index ceremony_expires_idx on identity.ceremony (expires_at);

-- One-use tokens that were sent by mail; only a hash is kept.
create table identity.link (
    id uuid primary key,
    kind text not null,
    token_hash bytea not null,
    user_id uuid references identity.app_user (id),
    invitation_id uuid,
    email text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    voided_at timestamptz,
    constraint link_token_key unique (token_hash),
    constraint link_kind_known check (kind in ('verify', 'reset', 'change', 'invite')),
    constraint link_is_about_something check ((kind = 'invite') = (invitation_id is not null) and (kind = 'invite') = (user_id is null))
);
create index link_user_idx on identity.link (user_id, kind);
create index link_invitation_idx on identity.link (invitation_id);
create index link_expires_idx on identity.link (expires_at);

-- A wish for a letter. Which letter it becomes is decided afterwards, so that the answer and its time tell nothing
-- about the address.
create table identity.letter_wish (
    id uuid primary key,
    kind text not null,
    email text not null,
    user_id uuid references identity.app_user (id),
    locale text not null,
    created_at timestamptz not null,
    constraint letter_wish_kind_known check (kind in ('register', 'verify', 'reset', 'change'))
);
create index letter_wish_user_idx on identity.letter_wish (user_id);

create table identity.invitation (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    email text not null,
    role text not null,
    invited_by uuid not null references identity.app_user (id),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by uuid references identity.app_user (id),
    withdrawn_at timestamptz,
    constraint invitation_role_known check (role in ('owner', 'admin', 'member', 'guardian')),
    constraint invitation_accepted_by_someone check ((accepted_at is null) = (accepted_by is null))
);
create unique index invitation_open_key on identity.invitation (tenant_id, email) where accepted_at is null and withdrawn_at is null;
create index invitation_inviter_idx on identity.invitation (invited_by);
create index invitation_accepter_idx on identity.invitation (accepted_by);
alter table identity.link add constraint link_of_invitation foreign key (invitation_id) references identity.invitation (id);

-- A child of a family: who agreed to the account, when, and to which words.
create table identity.child (
    user_id uuid primary key references identity.app_user (id),
    tenant_id uuid not null references identity.tenant (id),
    name text not null,
    birth_year smallint,
    created_at timestamptz not null,
    constraint child_name_key unique (tenant_id, name)
);
create table identity.consent (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    child_id uuid not null references identity.app_user (id),
    given_by uuid not null references identity.app_user (id),
    kind text not null,
    wording text not null,
    given_at timestamptz not null,
    withdrawn_at timestamptz,
    constraint consent_kind_known check (kind in ('child_account'))
);
create index consent_tenant_idx on identity.consent (tenant_id);
create index consent_child_idx on identity.consent (child_id);
create index consent_giver_idx on identity.consent (given_by);

create table identity.totp (
    user_id uuid primary key references identity.app_user (id),
    secret bytea not null,
    created_at timestamptz not null,
    confirmed_at timestamptz,
    last_step bigint not null default 0
);
create table identity.recovery_code (
    user_id uuid not null references identity.app_user (id),
    code_hash bytea not null,
    created_at timestamptz not null,
    used_at timestamptz,
    primary key (user_id, code_hash)
);
create table identity.passkey (
    id uuid primary key,
    user_id uuid not null references identity.app_user (id),
    credential_id bytea not null,
    credential jsonb not null,
    name text not null,
    created_at timestamptz not null,
    last_used_at timestamptz,
    constraint passkey_credential_key unique (credential_id),
    constraint passkey_name_length check (length(name) between 1 and 50)
);
create index passkey_user_idx on identity.passkey (user_id);

-- Who somebody is at an issuer outside (OpenID Connect Core §2: iss and sub together).
create table identity.subject (
    issuer text not null,
    subject text not null,
    user_id uuid not null references identity.app_user (id),
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    primary key (issuer, subject)
);
create index subject_user_idx on identity.subject (user_id);

-- A key's id, limits and history outlive its secrets; a rotation adds a secret and lets the old one run out.
create table identity.api_key (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    created_by uuid references identity.app_user (id),
    name text not null,
    storefront text not null,
    scopes text[] not null,
    models text[],
    ip_ranges text[],
    daily_cap bigint,
    expires_at timestamptz,
    created_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_why text,
    constraint api_key_whole unique (id, tenant_id),
    constraint api_key_name_length check (length(name) between 1 and 60),
    constraint api_key_cap_positive check (daily_cap > 0),
    constraint api_key_revoked_for_a_reason check ((revoked_at is null) = (revoked_why is null))
);
create index api_key_tenant_idx on identity.api_key (tenant_id, created_at);
create index api_key_maker_idx on identity.api_key (created_by);
create table identity.api_key_secret (
    hash bytea primary key,
    key_id uuid not null,
    tenant_id uuid not null,
    hint text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    constraint api_key_secret_of_key foreign key (key_id, tenant_id) references identity.api_key (id, tenant_id),
    constraint api_key_secret_hashed check (length(hash) = 32)
);
create index api_key_secret_key_idx on identity.api_key_secret (key_id, created_at);
create index api_key_secret_tenant_idx on identity.api_key_secret (tenant_id);

-- What an API client holds instead of a cookie: a family of refresh tokens, each good for one use (RFC 9700 §2.2.2).
create table identity.oauth_client (
    id text primary key,
    name text not null,
    redirect_uris text[] not null,
    created_at timestamptz not null,
    disabled_at timestamptz
);
create table identity.refresh_family (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    user_id uuid not null references identity.app_user (id),
    client_id text references identity.oauth_client (id),
    scopes text[] not null,
    proofs text[] not null,
    proven_at timestamptz not null,
    user_agent text not null,
    network text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    last_used_at timestamptz not null,
    revoked_at timestamptz,
    revoked_why text
);
create index refresh_family_tenant_idx on identity.refresh_family (tenant_id);
create index refresh_family_user_idx on identity.refresh_family (user_id);
create index refresh_family_client_idx on identity.refresh_family (client_id);
create table identity.refresh_token (
    hash bytea primary key,
    family_id uuid not null references identity.refresh_family (id),
    created_at timestamptz not null,
    used_at timestamptz,
    constraint refresh_token_hashed check (length(hash) = 32)
);
create index refresh_token_family_idx on identity.refresh_token (family_id);
create table identity.oauth_code (
    hash bytea primary key,
    client_id text not null references identity.oauth_client (id),
    tenant_id uuid not null references identity.tenant (id),
    user_id uuid not null references identity.app_user (id),
    redirect_uri text not null,
    challenge text not null,
    nonce text,
    scopes text[] not null,
    proofs text[] not null,
    proven_at timestamptz not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    family_id uuid references identity.refresh_family (id)
);
create index oauth_code_client_idx on identity.oauth_code (client_id);
create index oauth_code_tenant_idx on identity.oauth_code (tenant_id);
create index oauth_code_user_idx on identity.oauth_code (user_id);
create index oauth_code_family_idx on identity.oauth_code (family_id);
create index oauth_code_expires_idx on identity.oauth_code (expires_at);

-- The keys that sign access and ID tokens: the newest signs, those not retired are published.
create table identity.issuer_key (
    kid text primary key,
    secret bytea not null,
    created_at timestamptz not null,
    retired_at timestamptz
);

-- What was taken back (sessions, keys, refresh families), for nodes that hold it in memory. The transaction's id lets a
-- reader see every row once it commits, whatever the order of the commits.
create table identity.revocation (
    seq bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    subject uuid not null,
    at timestamptz not null
);
create index revocation_xid_idx on identity.revocation (xid);
create index revocation_subject_idx on identity.revocation (subject);
create index revocation_at_idx on identity.revocation (at);

-- The audit log as a chain per tenant (and one for the house): each row's hash covers its content and the hash before,
-- and the head knows the last, so that a changed or missing row shows.
alter table identity.audit
    add column seq bigint,
    add column before jsonb,
    add column after jsonb,
    add column network text not null default '',
    add column hash bytea;
create table identity.audit_head (
    chain uuid primary key,
    seq bigint not null,
    hash bytea not null
);

create function identity.audit_hash(line identity.audit, previous bytea) returns bytea
    language sql stable set search_path = pg_catalog
    return sha256(previous || convert_to(jsonb_build_array(line.id, line.seq, extract(epoch from line.at), line.tenant_id, line.actor,
        line.action, line.target, line.request_id, line.network, line.before, line.after)::text, 'UTF8'));

create function identity.chain_audit() returns trigger
    language plpgsql security definer set search_path = pg_catalog
as $$
declare
    place uuid := coalesce(new.tenant_id, '00000000-0000-0000-0000-000000000000');
    head identity.audit_head;
begin
    insert into identity.audit_head (chain, seq, hash) values (place, 0, '') on conflict (chain) do nothing;
    select * into head from identity.audit_head where chain = place for update;
    new.seq := head.seq + 1;
    new.hash := identity.audit_hash(new, head.hash);
    update identity.audit_head set seq = new.seq, hash = new.hash where chain = place;
    return new;
end
$$;

create function identity.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog
as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end
$$;

-- Lines from before the chain get their place in it.
do $$
declare
    old identity.audit;
    head identity.audit_head;
    place uuid;
begin
    for old in select * from identity.audit order by at, id loop
        place := coalesce(old.tenant_id, '00000000-0000-0000-0000-000000000000');
        insert into identity.audit_head (chain, seq, hash) values (place, 0, '') on conflict (chain) do nothing;
        select * into head from identity.audit_head where chain = place;
        old.seq := head.seq + 1;
        old.hash := identity.audit_hash(old, head.hash);
        update identity.audit set seq = old.seq, hash = old.hash where id = old.id;
        update identity.audit_head set seq = old.seq, hash = old.hash where chain = place;
    end loop;
end
$$;
alter table identity.audit
    alter column seq set not null,
    alter column hash set not null;
create unique index audit_place_key on identity.audit (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'), seq);
create trigger audit_chains before insert on identity.audit for each row execute function identity.chain_audit();
create trigger audit_append_only before update or delete or truncate on identity.audit
    for each statement execute function identity.refuse_change();

call auth.protect('identity.device', 'user_id = (select auth.uid())');
call auth.protect('identity.throttle', null);
call auth.protect('identity.ceremony', null);
call auth.protect('identity.link', null);
call auth.protect('identity.letter_wish', null);
call auth.protect('identity.invitation', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.child', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.consent', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.totp', 'user_id = (select auth.uid())');
call auth.protect('identity.recovery_code', 'user_id = (select auth.uid())');
call auth.protect('identity.passkey', 'user_id = (select auth.uid())');
call auth.protect('identity.subject', 'user_id = (select auth.uid())');
call auth.protect('identity.api_key', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.api_key_secret', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.oauth_client', null);
call auth.protect('identity.refresh_family', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.refresh_token', null);
call auth.protect('identity.oauth_code', null);
call auth.protect('identity.issuer_key', null);
call auth.protect('identity.revocation', null);
call auth.protect('identity.audit_head', null);

grant select, insert, update, delete on identity.device, identity.throttle, identity.ceremony, identity.link, identity.letter_wish,
    identity.totp, identity.recovery_code, identity.passkey, identity.subject to service_role;
grant select, insert, update on identity.oauth_client, identity.refresh_token, identity.issuer_key, identity.tenant to service_role;
-- what belongs to a tenant stays there: no role may write its tenant_id but once
grant select, insert, delete on identity.child, identity.oauth_code to service_role;
grant select, insert on identity.invitation, identity.consent, identity.api_key, identity.api_key_secret, identity.refresh_family
    to service_role;
grant update (name, birth_year) on identity.child to service_role;
grant update (used_at, family_id) on identity.oauth_code to service_role;
grant update (email, role, expires_at, accepted_at, accepted_by, withdrawn_at) on identity.invitation to service_role;
grant update (withdrawn_at) on identity.consent to service_role;
grant update (name, storefront, scopes, models, ip_ranges, daily_cap, expires_at, last_used_at, revoked_at, revoked_why)
    on identity.api_key to service_role;
grant update (expires_at) on identity.api_key_secret to service_role;
grant update (scopes, proofs, proven_at, user_agent, network, expires_at, last_used_at, revoked_at, revoked_why)
    on identity.refresh_family to service_role;
revoke update on identity.membership, identity.session from service_role;
grant update (role, guardian_seat) on identity.membership to service_role;
grant update (user_agent, network, proven_at, proofs, last_seen_at, expires_at, revoked_at) on identity.session to service_role;
grant select, insert, delete on identity.revocation to service_role;
grant delete on identity.membership to service_role;
grant select on identity.audit_head to service_role;
grant execute on function identity.audit_hash(identity.audit, bytea) to service_role;

grant select on identity.invitation, identity.child, identity.consent, identity.totp, identity.recovery_code, identity.passkey,
    identity.subject, identity.refresh_family, identity.session, identity.audit, identity.api_key to authenticated;
grant select (key_id, tenant_id, hint, created_at, expires_at) on identity.api_key_secret to authenticated;
grant insert on identity.audit to authenticated;

create view audit.keys with (security_invoker = true) as
    select id, tenant_id, storefront, created_at, expires_at, last_used_at, revoked_at from identity.api_key;
create view audit.log with (security_invoker = true) as
    select id, tenant_id, seq, at, actor, action, target, before, after, request_id, hash from identity.audit;
grant select (id, tenant_id, storefront, created_at, expires_at, last_used_at, revoked_at) on identity.api_key to auditor;
grant select (id, tenant_id, seq, at, actor, action, target, before, after, request_id, hash) on identity.audit to auditor;
grant select on audit.keys, audit.log to auditor;
