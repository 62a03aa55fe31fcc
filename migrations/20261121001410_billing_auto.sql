-- Units that are bought by themselves when few are left: what a tenant agreed to, and as what it was shown.
create table billing.auto_topup (
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    livemode boolean not null,
    topup_version_id uuid not null references entitlement.topup_version (id),
    unit text not null,
    -- bought when fewer are left
    threshold bigint not null,
    -- the most that is paid in a month of the tenant's time zone
    monthly_yen bigint not null,
    consent_id uuid not null references billing.order_shown (id),
    agreed_by uuid not null,
    agreed_at timestamptz not null,
    -- null: on; else why it is off
    stopped text,
    primary key (tenant_id, storefront, livemode),
    constraint auto_topup_threshold_positive check (threshold > 0),
    constraint auto_topup_monthly_positive check (monthly_yen > 0),
    constraint auto_topup_stop_known check (stopped in ('off', 'payment_failed', 'not_sold'))
);

-- An order that nobody pressed a button for; it is also an order that was shown.
create table billing.auto_order (
    id uuid primary key references billing.order_shown (id),
    tenant_id uuid not null references identity.tenant (id),
    storefront text not null,
    livemode boolean not null,
    amount_yen bigint not null,
    -- at Stripe, once it is known
    invoice text,
    state text not null default 'open',
    created_at timestamptz not null,
    closed_at timestamptz,
    constraint auto_order_state_known check (state in ('open', 'paid', 'failed')),
    constraint auto_order_closed_once check ((state = 'open') = (closed_at is null))
);
-- however many see that few are left, one orders
create unique index auto_order_one_open on billing.auto_order (tenant_id, storefront) where state = 'open';
create index auto_order_month_idx on billing.auto_order (tenant_id, storefront, created_at);

call auth.protect('billing.auto_topup', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.auto_order', 'tenant_id = (select auth.tenant_id())');
grant select on billing.auto_topup, billing.auto_order to authenticated;
grant select, insert on billing.auto_topup, billing.auto_order to service_role;
grant update (topup_version_id, unit, threshold, monthly_yen, consent_id, agreed_by, agreed_at, stopped) on billing.auto_topup to service_role;
grant update (invoice, state, closed_at) on billing.auto_order to service_role;

alter table billing.order_shown drop constraint order_kind_known;
alter table billing.order_shown add constraint order_kind_known
    check (kind in ('new', 'upgrade', 'downgrade', 'resume', 'topup', 'auto'));
alter table billing.order_shown drop constraint order_new_changes_nothing;
alter table billing.order_shown add constraint order_new_changes_nothing
    check ((kind in ('new', 'topup', 'auto')) = (subscription is null));
alter table billing.order_shown drop constraint order_of_one_thing;
alter table billing.order_shown add constraint order_of_one_thing
    check ((kind in ('topup', 'auto')) = (topup_version_id is not null) and (kind in ('topup', 'auto')) = (plan_version_id is null));
