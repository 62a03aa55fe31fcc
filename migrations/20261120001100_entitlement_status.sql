-- How a tenant stands with the plan that it is on. Rows that the operator wrote have no end and no reference.
alter table entitlement.enrolment
    add column status text not null default 'active',
    -- until when the plan is paid for, for people to see
    add column expires_at timestamptz,
    -- from when on the plan holds no more unless something changes; none while it renews by itself
    add column ends_at timestamptz,
    -- the subscription that this follows
    add column reference text,
    add constraint enrolment_status_known check (status in ('active', 'grace', 'canceled', 'on_hold', 'ended')),
    add constraint enrolment_grace_ends check (status not in ('grace', 'canceled') or ends_at is not null);

grant update (status, expires_at, ends_at, reference) on entitlement.enrolment to service_role;

-- A price is looked up whenever a subscription changes.
create index plan_version_price_idx on entitlement.plan_version ((terms ->> 'stripe_price'))
    where terms ->> 'stripe_price' is not null;
