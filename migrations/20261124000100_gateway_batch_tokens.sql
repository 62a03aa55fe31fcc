-- Of a batch's tokens, those that came from its providers' caches and those that were thought and not said.
alter table gateway.batch
    add column tokens_cached bigint not null default 0,
    add column tokens_thought bigint not null default 0;
grant update (tokens_cached, tokens_thought) on gateway.batch to authenticated, service_role;
