-- Units that an operator gave a tenant beside its plan: who, and why. The lot has the grant's own number.
create table entitlement.one_off_grant (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    amount bigint not null,
    reason text not null,
    given_by text not null,
    given_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    revoked_reason text,
    -- it was taken back while units were set aside, which may come back
    watched boolean not null default false,
    constraint one_off_grant_bounded check (amount between 1 and 1000000000),
    constraint one_off_grant_expires_later check (expires_at > given_at),
    constraint one_off_grant_revoked_whole check
        ((revoked_at is null) = (revoked_by is null) and (revoked_at is null) = (revoked_reason is null))
);
create index one_off_grant_tenant_idx on entitlement.one_off_grant (tenant_id, given_at);
create index one_off_grant_watched_idx on entitlement.one_off_grant (revoked_at) where watched;

call auth.protect('entitlement.one_off_grant', 'tenant_id = (select auth.tenant_id())');
grant select on entitlement.one_off_grant to authenticated, auditor;
grant select, insert on entitlement.one_off_grant to service_role;
grant update (revoked_at, revoked_by, revoked_reason, watched) on entitlement.one_off_grant to service_role;

create view audit.one_off_grants with (security_invoker = true) as
    select id, tenant_id, unit, amount, reason, given_by, given_at, expires_at, revoked_at, revoked_by, revoked_reason
    from entitlement.one_off_grant;
grant select on audit.one_off_grants to auditor;
