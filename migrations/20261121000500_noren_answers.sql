-- Answers to requests that carried an Idempotency-Key. Nobody's name is in it: who asked, where, and with which key are one
-- hash; the answer is sealed with a key that comes from the client's own and is not kept.
create schema noren;
grant usage on schema noren to service_role, auditor;

create table noren.answer (
    scope bytea primary key,
    -- of method, path and body, under a key of the client's own
    fingerprint bytea not null,
    state text not null default 'working',
    lease_id uuid,
    lease_until timestamptz,
    sealed bytea,
    expires_at timestamptz not null,
    constraint answer_scope_length check (length(scope) = 32),
    constraint answer_fingerprint_length check (length(fingerprint) = 32),
    -- unkept: it was a stream, or too large
    constraint answer_state_known check (state in ('working', 'kept', 'unkept')),
    constraint answer_working_is_leased check ((state = 'working') = (lease_id is not null and lease_until is not null)),
    constraint answer_kept_is_there check ((state = 'kept') = (sealed is not null))
);
create index answer_expiry_idx on noren.answer (expires_at);

call auth.protect('noren.answer', null);
grant select, insert, update, delete on noren.answer to service_role;
