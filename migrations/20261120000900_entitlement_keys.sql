-- Which API key asked for the work, so that a key's own daily cap is counted from the same rows as everything else.
alter table entitlement.reservation add column key_id uuid references identity.api_key (id);
create index reservation_key_idx on entitlement.reservation (key_id, created_at) where key_id is not null;

-- what belongs to a tenant stays there
revoke update on entitlement.enrolment from service_role;
grant update (plan_version_id, since) on entitlement.enrolment to service_role;
