-- An operator's figures of a month are read without a look at all the others.
create index payment_paid_idx on billing.payment (paid_at);
