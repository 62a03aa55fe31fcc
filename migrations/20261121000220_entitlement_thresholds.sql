-- Shares of what was granted that a tenant has used up: noted once for each period, which is known by its end.
create table entitlement.threshold (
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    period_end timestamptz not null,
    percent smallint not null,
    storefront text not null,
    reached_at timestamptz not null,
    primary key (tenant_id, unit, period_end, percent),
    constraint threshold_percent_known check (percent in (50, 80, 100))
);

call auth.protect('entitlement.threshold', 'tenant_id = (select auth.tenant_id())');
grant select on entitlement.threshold to authenticated;
grant select, insert, delete on entitlement.threshold to service_role;

-- blocks that closed lately are looked at once more
create index block_closed_idx on entitlement.block (closed_at) where closed_at is not null;
create index threshold_ended_idx on entitlement.threshold (period_end);
