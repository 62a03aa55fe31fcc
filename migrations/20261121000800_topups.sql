-- Units that are bought once, as they were sold: never changed, a new version is a new row.
create table entitlement.topup_version (
    id uuid primary key,
    storefront text not null,
    topup text not null,
    version integer not null,
    terms jsonb not null,
    created_at timestamptz not null,
    constraint topup_version_key unique (storefront, topup, version)
);
call auth.protect('entitlement.topup_version', 'true');
grant select on entitlement.topup_version to authenticated, service_role;
grant insert on entitlement.topup_version to service_role;

-- An order is of a plan, or of units that are bought once.
alter table billing.order_shown alter column plan_version_id drop not null;
alter table billing.order_shown add column topup_version_id uuid references entitlement.topup_version (id);
alter table billing.order_shown drop constraint order_kind_known;
alter table billing.order_shown add constraint order_kind_known
    check (kind in ('new', 'upgrade', 'downgrade', 'resume', 'topup'));
alter table billing.order_shown drop constraint order_new_changes_nothing;
alter table billing.order_shown add constraint order_new_changes_nothing
    check ((kind in ('new', 'topup')) = (subscription is null));
alter table billing.order_shown add constraint order_of_one_thing
    check ((kind = 'topup') = (topup_version_id is not null) and (kind = 'topup') = (plan_version_id is null));

-- The order that a payment fulfilled: once, however often it is paid for.
alter table billing.payment add column order_id uuid references billing.order_shown (id);
alter table billing.payment add constraint payment_order_once unique (order_id);
