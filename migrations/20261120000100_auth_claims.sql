-- Row-level security in the manner of Supabase: a transaction takes a role (anon, authenticated,
-- service_role) and carries its claims in request.jwt.claims; policies ask the functions below.
-- The roles themselves are made by db::roles before any migration, since roles belong to the cluster.

create schema auth;

create function auth.claims() returns jsonb
    language sql stable
    return coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;

-- The signed-in user, or null.
create function auth.uid() returns uuid
    language sql stable
    return (auth.claims() ->> 'sub')::uuid;

-- The tenant that the transaction acts for, or null: then no tenant row is visible.
create function auth.tenant_id() returns uuid
    language sql stable
    return (auth.claims() ->> 'tenant_id')::uuid;

-- Puts a table under row-level security. `visible` is the condition for the role authenticated, null for
-- tables that no caller may see. The owner keeps a policy of its own because its trigger functions are
-- subject to forced row-level security like everyone else.
create procedure auth.protect(target regclass, visible text)
    language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format('create policy owner on %s to current_user using (true) with check (true)', target);
    execute format('create policy service on %s to service_role using (true) with check (true)', target);
    execute format('create policy auditor on %s for select to auditor using (true)', target);
    if visible is not null then
        execute format('create policy tenant on %s to authenticated using (%s) with check (%s)', target, visible, visible);
    end if;
end
$$;

grant usage on schema auth to anon, authenticated, service_role, auditor;
grant execute on function auth.claims(), auth.uid(), auth.tenant_id() to anon, authenticated, service_role, auditor;
revoke execute on procedure auth.protect(regclass, text) from public;

-- The read-only books for whoever checks us from outside; each room adds its views.
create schema audit;
grant usage on schema audit to auditor;
