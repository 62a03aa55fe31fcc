-- What a payment earns is posted after it, since the cards behind an invitation are asked for outside of any transaction.
alter table billing.payment add column rewards_due boolean not null default false;
create index payment_rewards_idx on billing.payment (recorded_at) where rewards_due;
grant update (rewards_due) on billing.payment to service_role;
-- a plan and a reward may grant the same unit; a lot's own name makes it one
alter table billing.payment_grant drop constraint payment_grant_once;

-- Points that became units: both in one transaction, as the rules were then.
create table billing.redemption (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    exchange text not null,
    times integer not null,
    points bigint not null,
    unit text not null,
    amount bigint not null,
    lot_id uuid not null references ledger.lot (id),
    created_at timestamptz not null,
    constraint redemption_moves_something check (times > 0 and points > 0 and amount > 0)
);
create index redemption_tenant_idx on billing.redemption (tenant_id, created_at);

-- A tenant's own code in a programme, good for so many invitations.
create table billing.referral_code (
    id uuid primary key,
    tenant_id uuid not null references identity.tenant (id),
    programme text not null,
    code text not null,
    accepted integer not null default 0,
    most integer not null,
    created_at timestamptz not null,
    constraint referral_code_known unique (code),
    constraint referral_code_one_per_tenant unique (tenant_id, programme),
    constraint referral_code_within check (accepted between 0 and most)
);

-- An invitation that was accepted, with what was promised for it.
create table billing.referral (
    id uuid primary key,
    code_id uuid not null references billing.referral_code (id),
    programme text not null,
    referrer_id uuid not null references identity.tenant (id),
    -- who was invited
    tenant_id uuid not null references identity.tenant (id),
    terms jsonb not null,
    state text not null default 'pending',
    -- why nothing came of it
    note text,
    payment_id uuid references billing.payment (id),
    accepted_at timestamptz not null,
    closed_at timestamptz,
    constraint referral_of_somebody_else check (referrer_id <> tenant_id),
    constraint referral_once unique (tenant_id, programme),
    constraint referral_state_known check (state in ('pending', 'rewarded', 'refused')),
    constraint referral_closed_has_time check ((state = 'pending') = (closed_at is null)),
    constraint referral_refused_says_why check ((state = 'refused') = (note is not null))
);
create index referral_referrer_idx on billing.referral (referrer_id, accepted_at);

-- A person, a browser or a card is invited once in a programme, whatever tenants it has. Only digests are kept.
create table billing.referral_mark (
    programme text not null,
    kind text not null,
    mark bytea not null,
    referral_id uuid not null references billing.referral (id),
    constraint referral_mark_once primary key (programme, kind, mark),
    constraint referral_mark_kind_known check (kind in ('person', 'device', 'card')),
    constraint referral_mark_hashed check (length(mark) = 32)
);
create index referral_mark_referral_idx on billing.referral_mark (referral_id);

call auth.protect('billing.redemption', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.referral_code', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.referral', 'tenant_id = (select auth.tenant_id())');
call auth.protect('billing.referral_mark', null);
grant select on billing.redemption, billing.referral_code, billing.referral to authenticated;
grant select, insert on billing.redemption, billing.referral_code, billing.referral, billing.referral_mark to service_role;
grant update (accepted) on billing.referral_code to service_role;
grant update (state, note, payment_id, closed_at) on billing.referral to service_role;

create view audit.referrals with (security_invoker = true) as
    select id, programme, referrer_id, tenant_id, state, note, payment_id, accepted_at, closed_at from billing.referral;
grant select on billing.redemption, billing.referral_code, billing.referral to auditor;
grant select on audit.referrals to auditor;
