-- What is said while a model warms up: an event of its own kind, and no part of the answer.
alter table gateway.run_event drop constraint run_event_kind_known;
alter table gateway.run_event add constraint run_event_kind_known check (kind in ('started', 'aside', 'delta', 'ended'));
