-- What an operator of the house lets a tenant use of a unit in a month of its own time zone; the tenant's own limit may only be
-- stricter.
create table entitlement.cap (
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    monthly bigint not null,
    set_by text not null,
    set_at timestamptz not null,
    primary key (tenant_id, unit),
    constraint cap_monthly_not_negative check (monthly >= 0)
);

call auth.protect('entitlement.cap', 'tenant_id = (select auth.tenant_id())');
grant select on entitlement.cap to authenticated;
grant select, insert, delete on entitlement.cap to service_role;
grant update (monthly, set_by, set_at) on entitlement.cap to service_role;
