-- what a tenant's lots of a unit gave and still have, also those that are used up
create index lot_unit_idx on ledger.lot (tenant_id, unit, expires_at);
