-- Units whose payment was given back leave circulation by an entry of their own kind.
alter table ledger.transfer drop constraint transfer_kind_known;
alter table ledger.transfer add constraint transfer_kind_known
    check (kind in ('grant', 'hold', 'settle', 'release', 'lapse', 'expire', 'reverse'));
