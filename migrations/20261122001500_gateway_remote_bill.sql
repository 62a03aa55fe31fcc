-- What a run's end is reckoned by when its node is gone and its job at the provider is done: the prices that the run was admitted
-- with, what was probably read of it, whether its words are judged before anybody sees them, and until when anybody wants them.
-- Jobs from before have no prices; their runs end as those of any lost node do.
alter table gateway.remote_job
    add column price_input bigint,
    add column price_output bigint,
    add column price_cached bigint,
    add column tokens_in bigint not null default 0,
    add column is_judged boolean not null default true,
    add column wanted_until timestamptz;
