-- The most that a piece of work under way may cost, in billionths of a US dollar; only where a limit of cost is kept.
alter table entitlement.reservation add column most_cost bigint not null default 0,
    add constraint reservation_most_cost_not_negative check (most_cost >= 0);
grant update (most_cost) on entitlement.reservation to authenticated, service_role;

-- When work was last refused since it might have passed the limit; a limit of cost is rarely reached to the last digit.
alter table entitlement.budget add column stopped_at timestamptz;
grant update (stopped_at) on entitlement.budget to service_role;

-- The most that a key's work of a day may cost.
alter table identity.api_key add column daily_cost_nano_usd bigint,
    add constraint api_key_daily_cost_positive check (daily_cost_nano_usd > 0);
grant update (daily_cost_nano_usd) on identity.api_key to service_role;
