-- The models' file as an operator has put it in force, each time with the next number. The newest is used; without one the file
-- of the settings, number 0, which stands in no table. A version is never changed: going back writes an older text anew.
create table gateway.model_version (
    version integer primary key,
    text text not null,
    models integer not null,
    note text,
    applied_by text not null,
    applied_at timestamptz not null,
    constraint model_version_after_file check (version > 0),
    constraint model_version_bounded check (octet_length(text) <= 262144 and length(note) <= 200)
);

call auth.protect('gateway.model_version', null);
grant select, insert on gateway.model_version to service_role;
