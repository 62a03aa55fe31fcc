-- What evaluations of models found, by their name and by what stood behind the model. The newest of both counts; none is ever
-- changed. A canary's share grows only with one that was passed, where the models' file asks for it.
create table gateway.evaluation (
    id uuid primary key,
    evaluation text not null,
    -- the public name by which it was asked
    model text not null,
    -- the providers and their names of it
    subject text not null,
    passed boolean not null,
    asked integer not null,
    kept integer not null,
    evaluated_by text not null,
    evaluated_at timestamptz not null,
    constraint evaluation_counted check (asked >= 0 and kept between 0 and asked)
);
create index evaluation_newest_idx on gateway.evaluation (evaluation, subject, evaluated_at desc);

call auth.protect('gateway.evaluation', null);
grant select, insert on gateway.evaluation to service_role;
