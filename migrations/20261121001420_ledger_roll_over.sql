-- What is left of a lot at its end becomes a new lot: at most so much of the unit at a time, until then.
create table ledger.roll_over (
    lot_id uuid primary key references ledger.lot (id),
    tenant_id uuid not null references identity.tenant (id),
    most bigint not null,
    until timestamptz not null,
    constraint roll_over_most_positive check (most > 0)
);

-- A lot that was made of what another one had left.
create table ledger.rolled (
    lot_id uuid primary key references ledger.lot (id),
    tenant_id uuid not null references identity.tenant (id),
    from_lot_id uuid not null references ledger.roll_over (lot_id)
);
create index rolled_from_idx on ledger.rolled (from_lot_id);
create index rolled_tenant_idx on ledger.rolled (tenant_id);

call auth.protect('ledger.roll_over', 'tenant_id = (select auth.tenant_id())');
call auth.protect('ledger.rolled', 'tenant_id = (select auth.tenant_id())');
grant select, insert on ledger.roll_over, ledger.rolled to authenticated, service_role;
grant select on ledger.roll_over, ledger.rolled to auditor;
