create schema billing;
grant usage on schema billing to authenticated, service_role, auditor;

-- Orders the readings of one object at Stripe: whoever drew the higher number read later.
create sequence billing.reading;
grant usage on sequence billing.reading to service_role;

-- The one customer that a tenant ever is. The row comes before the call, so that a lost answer leads to the same customer.
create table billing.customer (
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    stripe_id text,
    created_at timestamptz not null,
    primary key (tenant_id, livemode),
    constraint customer_of_one_tenant unique (stripe_id)
);

-- A way to the hosted checkout. One is open per tenant and storefront, so that two clicks can't become two subscriptions.
create table billing.checkout (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    storefront text not null,
    plan_version_id uuid not null references entitlement.plan_version (id),
    stripe_id text,
    url text,
    state text not null default 'open',
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint checkout_stripe_id unique (stripe_id),
    constraint checkout_state_known check (state in ('open', 'closed')),
    constraint checkout_answered_whole check ((stripe_id is null) = (url is null))
);
create unique index checkout_one_open on billing.checkout (tenant_id, livemode, storefront) where state = 'open';

-- What Stripe told us, for ever: the id is what makes a repeated event one event. What it said is read again from Stripe,
-- so nothing personal is kept here.
create table billing.event (
    id text primary key,
    type text not null,
    livemode boolean not null,
    api_version text,
    object_type text not null,
    object_id text not null,
    customer text,
    created_at timestamptz not null,
    received_at timestamptz not null,
    state text not null,
    attempts integer not null default 0,
    next_at timestamptz not null,
    lease_until timestamptz,
    -- who works on it now: a result under another lease comes too late
    lease_id uuid,
    -- why it has no effect, or what went wrong last
    note text,
    closed_at timestamptz,
    constraint event_id_length check (length(id) between 1 and 255),
    -- waiting: its customer is not known yet
    constraint event_state_known check (state in ('queued', 'working', 'waiting', 'done', 'ignored', 'dead')),
    constraint event_working_is_leased check ((state = 'working') = (lease_until is not null and lease_id is not null)),
    constraint event_closed_has_time check ((state in ('done', 'ignored')) = (closed_at is not null))
);
create index event_due_idx on billing.event (coalesce(lease_until, next_at)) where state in ('queued', 'working');
create index event_waiting_idx on billing.event (customer) where state = 'waiting';
create index event_dead_idx on billing.event (received_at) where state = 'dead';

-- A subscription as it was last read.
create table billing.subscription (
    id text primary key,
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    storefront text not null,
    plan_version_id uuid not null references entitlement.plan_version (id),
    price text not null,
    status text not null,
    period_start timestamptz,
    period_end timestamptz,
    -- when it ends, if it was told to
    cancel_at timestamptz,
    -- the invoice that is owed, since when
    owed_since timestamptz,
    ended_at timestamptz,
    created_at timestamptz not null,
    reading bigint not null
);
create index subscription_tenant_idx on billing.subscription (tenant_id, storefront);

-- Money that came in for an invoice, and what became of it.
create table billing.payment (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    invoice text not null,
    payment_intent text,
    subscription text,
    -- in the currency's smallest unit
    amount bigint not null,
    currency text not null,
    refunded bigint not null default 0,
    -- what the card's holder's bank says, as long as there is a dispute
    dispute text,
    paid_at timestamptz not null,
    recorded_at timestamptz not null,
    -- of the charge, which refunds and disputes change
    reading bigint not null default 0,
    constraint payment_invoice_once unique (invoice),
    constraint payment_intent_once unique (payment_intent),
    constraint payment_amount_not_negative check (amount >= 0),
    constraint payment_refund_within check (refunded between 0 and amount),
    constraint payment_currency_shape check (currency ~ '^[a-z]{3}$')
);
create index payment_tenant_idx on billing.payment (tenant_id, paid_at);

-- Units that a paid invoice granted. The debt is what was used of units whose money went back.
create table billing.payment_grant (
    lot_id uuid primary key references ledger.lot (id),
    payment_id uuid not null references billing.payment (id),
    tenant_id uuid not null references identity.tenant (id),
    unit text not null,
    amount bigint not null,
    debt bigint not null default 0,
    -- until then what was set aside when the money went back may return, and is taken as well
    watch_until timestamptz,
    constraint payment_grant_once unique (payment_id, unit),
    constraint payment_grant_debt_within check (debt between 0 and amount)
);
create index payment_grant_tenant_idx on billing.payment_grant (tenant_id);
create index payment_grant_watch_idx on billing.payment_grant (watch_until) where watch_until is not null;

call auth.protect('billing.customer', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.checkout', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.event', null);
call auth.protect('billing.subscription', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.payment', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.payment_grant', 'tenant_id = (select auth.tenant_id())');

grant select on billing.subscription, billing.payment, billing.payment_grant to authenticated;
grant select, insert on billing.customer, billing.checkout, billing.event, billing.subscription, billing.payment, billing.payment_grant
    to service_role;
grant update (stripe_id) on billing.customer to service_role;
grant update (stripe_id, url, state, expires_at) on billing.checkout to service_role;
grant update (state, attempts, next_at, lease_until, lease_id, note, customer, closed_at) on billing.event to service_role;
grant update (storefront, plan_version_id, price, status, period_start, period_end, cancel_at, owed_since, ended_at, reading)
    on billing.subscription to service_role;
grant update (payment_intent, refunded, dispute, reading) on billing.payment to service_role;
grant update (debt, watch_until) on billing.payment_grant to service_role;

create view audit.webhooks with (security_invoker = true) as
    select id as event_id, type, state, attempts, note, created_at, received_at, closed_at from billing.event;
create view audit.subscriptions with (security_invoker = true) as
    select id, tenant_id, storefront, price, status, period_start, period_end, cancel_at, ended_at from billing.subscription;
create view audit.payments with (security_invoker = true) as
    select id, tenant_id, invoice, payment_intent, subscription, amount, currency, refunded, dispute, paid_at from billing.payment;
grant select on billing.event, billing.subscription, billing.payment, billing.payment_grant to auditor;
grant select on audit.webhooks, audit.subscriptions, audit.payments to auditor;
