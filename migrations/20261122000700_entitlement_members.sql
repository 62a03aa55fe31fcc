-- Who asked for the work: the person of a session, or the one who made the key. Without a foreign key, which would be looked
-- up with every admission; the tenant's is.
alter table entitlement.reservation add column member_id uuid;

-- What a tenant lets one of its members use of a unit in a month of its own time zone.
create table entitlement.member_budget (
    tenant_id uuid not null references identity.tenant (id),
    user_id uuid not null references identity.app_user (id),
    unit text not null,
    monthly bigint not null,
    changed_at timestamptz not null,
    primary key (tenant_id, user_id, unit),
    constraint member_budget_monthly_not_negative check (monthly >= 0)
);
create index member_budget_user_idx on entitlement.member_budget (user_id);

call auth.protect('entitlement.member_budget', 'tenant_id = (select auth.tenant_id())');
grant select on entitlement.member_budget to authenticated;
grant select, insert, delete on entitlement.member_budget to service_role;
grant update (monthly, changed_at) on entitlement.member_budget to service_role;
