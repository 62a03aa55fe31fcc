-- An operator reads a month of all tenants. Usage comes in the order of time, so a range of blocks is all that has to be known.
create index usage_at_idx on entitlement.usage using brin (at);
