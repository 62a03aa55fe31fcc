-- How each target answered in each minute, over all nodes: the sums that nodes add every few seconds. A day of it is kept.
create table gateway.target_minute (
    minute timestamptz not null,
    provider text not null,
    model text not null,
    -- calls that were made for runs, and those of them that failed
    calls integer not null,
    failed integer not null,
    -- how many first words came within each of the times of crates/gateway/src/pulse.rs, and later
    first_words integer[] not null,
    -- the last failure's reason in the words of runs
    trouble text,
    trouble_at timestamptz,
    -- until when the node that wrote last leaves it alone
    rests_until timestamptz,
    primary key (minute, provider, model),
    constraint target_minute_counts_not_negative check (calls >= 0 and failed between 0 and calls)
);

-- What was found out in the shadow of models, by day, over all nodes.
create table gateway.shadow_day (
    day date not null,
    model text not null,
    shadow text not null,
    answered bigint not null,
    failed bigint not null,
    -- not asked, since too many were under way
    left_out bigint not null,
    -- of a hundred, over all that answered
    agreement bigint not null,
    tokens bigint not null,
    primary key (day, model, shadow)
);

call auth.protect('gateway.target_minute', null);
call auth.protect('gateway.shadow_day', null);
grant select, insert, update, delete on gateway.target_minute, gateway.shadow_day to service_role;
