-- How much of what a run has written was thought and not said, where its provider tells.
alter table gateway.run
    add column tokens_thought bigint not null default 0,
    add constraint run_thought_tokens_not_negative check (tokens_thought >= 0);
grant update (tokens_thought) on gateway.run to authenticated, service_role;
