-- A usage row says all that its reservation said, so that work which is over when it is first written needs no reservation beside it.
-- Reservations are the work that was still under way when it was written: what a process has to keep alive, and what may die.
alter table entitlement.usage
    add column lease_id uuid,
    add column key_id uuid,
    add column member_id uuid,
    add column created_at timestamptz;
update entitlement.usage u
set lease_id = r.lease_id, key_id = r.key_id, member_id = r.member_id, created_at = r.created_at
from entitlement.reservation r where r.id = u.reservation_id;
update entitlement.usage set created_at = at where created_at is null;
alter table entitlement.usage alter column created_at set not null;
comment on column entitlement.usage.reservation_id is 'The admission''s id; its reservation was written only where the work outlived its first write.';
comment on column entitlement.usage.created_at is 'When it was admitted; `at` is when it was over.';

create index usage_key_idx on entitlement.usage (key_id, created_at) where key_id is not null;

-- What has a usage row is counted by that.
drop index entitlement.reservation_key_idx;
create index reservation_key_idx on entitlement.reservation (key_id, created_at) where key_id is not null and state in ('open', 'lapsed');
drop index entitlement.reservation_recent_idx;
create index reservation_recent_idx on entitlement.reservation (tenant_id, storefront, created_at) where state in ('open', 'lapsed');
