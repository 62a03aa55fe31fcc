-- What opens the doors of providers, beside the keys of the settings. The secrets are sealed under a key that is not in the
-- database; nothing shows them again.
create table gateway.credential (
    id uuid primary key,
    provider text not null,
    kind text not null,
    base_url text not null,
    region text not null,
    secret bytea not null,
    suffix text not null,
    weight integer not null,
    enabled boolean not null default true,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    -- the last time that the provider would not have it
    refused_at timestamptz,
    refused_status smallint,
    constraint credential_kind_known check (kind in ('openai', 'anthropic', 'bedrock', 'runpod', 'runpod-text')),
    constraint credential_provider_form check (provider ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    constraint credential_weight_bounded check (weight between 1 and 1000),
    constraint credential_suffix_short check (length(suffix) <= 4),
    constraint credential_refusal_whole check ((refused_at is null) = (refused_status is null))
);

call auth.protect('gateway.credential', null);
grant select, insert, delete on gateway.credential to service_role;
grant update (base_url, region, secret, suffix, weight, enabled, changed_at, refused_at, refused_status) on gateway.credential to service_role;
