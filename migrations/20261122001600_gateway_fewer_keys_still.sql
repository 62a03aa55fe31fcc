-- An admission is written only where it finds its block open and its tenant's, under a lock that lasts until the commit. That says what
-- these two said: a block is its tenant's for ever, and neither is ever deleted.
alter table entitlement.reservation
    drop constraint reservation_tenant_id_fkey,
    drop constraint reservation_block_id_fkey;

-- A usage row is written by the very statement that writes its reservation closed or closes it, and what was asked by the one that
-- writes its run.
alter table entitlement.usage
    drop constraint usage_reservation_id_fkey;
alter table gateway.run_text
    drop constraint run_text_run_id_fkey;
