create schema identity;
grant usage on schema identity to authenticated, service_role, auditor;

create table identity.app_user (
    id uuid primary key,
    email text not null,
    password_hash text,
    display_name text not null,
    locale text not null,
    created_at timestamptz not null,
    constraint user_email_key unique (email),
    constraint user_email_folded check (email = lower(email) and length(email) between 3 and 254),
    constraint user_display_name_length check (length(display_name) between 1 and 50),
    constraint user_locale_known check (locale in ('ja', 'en'))
);

create table identity.tenant (
    id uuid primary key,
    kind text not null,
    zone text not null default 'Asia/Tokyo',
    created_at timestamptz not null,
    constraint tenant_kind_known check (kind in ('person', 'family', 'school', 'team'))
);

create table identity.membership (
    tenant_id uuid not null references identity.tenant (id),
    user_id uuid not null references identity.app_user (id),
    role text not null,
    created_at timestamptz not null,
    primary key (tenant_id, user_id),
    constraint membership_role_known check (role in ('owner'))
);
create index membership_user_idx on identity.membership (user_id);

-- A browser that came in: a user's, or a guest's when user_id is null. Only a hash of the token is kept.
create table identity.session (
    id uuid primary key,
    token_hash bytea not null,
    tenant_id uuid not null references identity.tenant (id),
    user_id uuid references identity.app_user (id),
    user_agent text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint session_token_key unique (token_hash),
    constraint session_token_hashed check (length(token_hash) = 32)
);
create index session_tenant_idx on identity.session (tenant_id);
create index session_user_idx on identity.session (user_id);

create table identity.audit (
    id uuid primary key,
    at timestamptz not null,
    tenant_id uuid references identity.tenant (id),
    actor text not null,
    action text not null,
    target text not null,
    request_id text not null
);
create index audit_tenant_idx on identity.audit (tenant_id, at);

-- Secrets that all nodes share, such as the key of the inference token.
create table identity.signing_key (
    purpose text primary key,
    secret bytea not null,
    created_at timestamptz not null,
    constraint signing_key_long_enough check (length(secret) >= 32)
);

call auth.protect('identity.app_user', 'id = (select auth.uid())');
call auth.protect('identity.tenant', 'id = (select auth.tenant_id())');
call auth.protect('identity.membership', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.session', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.audit', 'tenant_id = (select auth.tenant_id())');
call auth.protect('identity.signing_key', null);

grant select on identity.app_user, identity.tenant, identity.membership to authenticated;
grant select, insert, update on identity.app_user, identity.membership, identity.session to service_role;
grant select, insert on identity.tenant, identity.audit, identity.signing_key to service_role;

create view audit.sessions with (security_invoker = true) as
    select id, tenant_id, user_id, created_at, expires_at, revoked_at from identity.session;
grant select (id, tenant_id, user_id, created_at, expires_at, revoked_at) on identity.session to auditor;
grant select on audit.sessions to auditor;
