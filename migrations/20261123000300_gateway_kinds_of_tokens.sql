-- Of the tokens that a run has read, those that were put into its provider's cache, which cost more; and of those that it has
-- written, how many were thought and not said. Both where the provider tells.
alter table gateway.run
    add column tokens_written bigint not null default 0,
    add column tokens_thought bigint not null default 0,
    add constraint run_written_tokens_not_negative check (tokens_written >= 0),
    add constraint run_thought_tokens_not_negative check (tokens_thought >= 0);
grant update (tokens_written, tokens_thought) on gateway.run to authenticated, service_role;
