-- A run names what admitted it, which is its usage row where the run was over when it was first written, and else a reservation and
-- later both. It is written in the transaction that writes either, and the primary key of usage rows sees to it that none is billed twice.
alter table gateway.run
    drop constraint run_reservation_id_fkey,
    drop constraint run_reservation_key;
