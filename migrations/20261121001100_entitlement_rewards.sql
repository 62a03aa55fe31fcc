-- What points are earned for and become, and how invitations are rewarded, as the operator wrote it: a new version is a new row.
create table entitlement.rewards_version (
    version integer primary key,
    terms jsonb not null,
    created_at timestamptz not null,
    constraint rewards_version_positive check (version > 0)
);
call auth.protect('entitlement.rewards_version', 'true');
grant select on entitlement.rewards_version to authenticated, service_role;
grant insert on entitlement.rewards_version to service_role;
