-- What a tenant lets itself use of a unit in a month of its own time zone, and at which amounts it wants to be told.
create table entitlement.budget (
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    -- null: nothing is stopped
    monthly bigint,
    alerts bigint[] not null,
    changed_at timestamptz not null,
    primary key (tenant_id, unit),
    constraint budget_monthly_not_negative check (monthly >= 0),
    constraint budget_alerts_few check (cardinality(alerts) <= 5)
);

-- Amounts that were reached: noted once for each month, which is known by its end.
create table entitlement.budget_notice (
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    period_end timestamptz not null,
    amount bigint not null,
    reached_at timestamptz not null,
    primary key (tenant_id, unit, period_end, amount)
);
create index budget_notice_ended_idx on entitlement.budget_notice (period_end);
create index block_unit_idx on entitlement.block (tenant_id, unit, created_at);

call auth.protect('entitlement.budget', 'tenant_id = (select auth.tenant_id())');
call auth.protect('entitlement.budget_notice', 'tenant_id = (select auth.tenant_id())');
grant select on entitlement.budget to authenticated;
grant select, insert, delete on entitlement.budget to service_role;
grant update (monthly, alerts, changed_at) on entitlement.budget to service_role;
grant select on entitlement.budget_notice to authenticated;
grant select, insert, delete on entitlement.budget_notice to service_role;
