-- What somebody was shown before they agreed to pay: kept as it was, for as long as there are books.
create table billing.order_shown (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    storefront text not null,
    plan_version_id uuid not null references entitlement.plan_version (id),
    kind text not null,
    -- the subscription that it changes, and the price that this one had
    subscription text,
    price_before text,
    -- the words' own version; whoever rewrites them counts on
    wording integer not null,
    shown jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint order_kind_known check (kind in ('new', 'upgrade', 'downgrade', 'resume')),
    constraint order_new_changes_nothing check ((kind = 'new') = (subscription is null)),
    constraint order_lives check (expires_at > created_at)
);
create index order_shown_tenant_idx on billing.order_shown (tenant_id, created_at);

alter table billing.checkout add column order_id uuid references billing.order_shown (id);

-- The plan that holds may for a while be another than the one that the price is of: a downgrade waits for what is paid.
alter table billing.subscription add column next_version_id uuid references entitlement.plan_version (id);
alter table billing.subscription add column changes_at timestamptz;
alter table billing.subscription add constraint subscription_change_has_time check ((next_version_id is null) = (changes_at is null));

-- What of a grant was taken while it could still be used, and what of that was given again when a dispute was won.
alter table billing.payment_grant add column expires_at timestamptz;
alter table billing.payment_grant add column taken bigint not null default 0;
alter table billing.payment_grant add column again_lot_id uuid references ledger.lot (id);
alter table billing.payment_grant add constraint payment_grant_taken_within check (taken between 0 and amount);

-- A receipt, as it was made from the paid invoice; what went back since is the payment's.
create table billing.receipt (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    livemode boolean not null,
    payment_id uuid not null references billing.payment (id),
    number text not null,
    at timestamptz not null,
    storefront text not null,
    plan_title jsonb not null,
    total_yen bigint not null,
    customer_name text,
    issuer jsonb not null,
    lines jsonb not null,
    tax jsonb not null,
    hosted_invoice_url text,
    constraint receipt_payment_once unique (payment_id),
    constraint receipt_total_positive check (total_yen > 0)
);
create index receipt_tenant_idx on billing.receipt (tenant_id, at desc, id desc);
create index event_received_idx on billing.event (received_at);
create index subscription_created_idx on billing.subscription (created_at);

call auth.protect('billing.order_shown', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.receipt', 'tenant_id = (select auth.tenant_id())');

grant select on billing.order_shown, billing.receipt to authenticated, auditor;
grant select, insert on billing.order_shown, billing.receipt to service_role;
grant update (next_version_id, changes_at) on billing.subscription to service_role;
grant update (taken, again_lot_id) on billing.payment_grant to service_role;

-- Neither is ever changed, by nobody.
create function billing.refuse_change() returns trigger language plpgsql set search_path = '' as $$
begin
    raise exception 'what was shown and what was receipted stay as they were' using errcode = 'restrict_violation';
end
$$;
create trigger order_shown_stays before update or delete on billing.order_shown
    for each row execute function billing.refuse_change();
create trigger receipt_stays before update or delete on billing.receipt
    for each row execute function billing.refuse_change();
