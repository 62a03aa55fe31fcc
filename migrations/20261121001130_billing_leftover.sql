-- What is given back when a subscription ends whose plan says so; null as long as it has not ended.
alter table billing.payment add column end_refund bigint;
alter table billing.payment add column end_refund_due boolean not null default false;
alter table billing.payment add constraint payment_end_refund_within check (end_refund between 0 and amount);
create index payment_end_refund_idx on billing.payment (recorded_at) where end_refund_due;
create index payment_subscription_idx on billing.payment (subscription) where subscription is not null;
grant update (end_refund, end_refund_due) on billing.payment to service_role;
