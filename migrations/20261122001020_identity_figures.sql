-- An operator's figures of a month are read without a look at all the others.
create index audit_at_idx on identity.audit using brin (at);
create index user_created_idx on identity.app_user (created_at);
