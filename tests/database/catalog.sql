-- What the catalog must say of every table, view, function and key, whoever adds them: nothing here is a list of tables.
-- Reads noren.floors (rooms from the lowest to the highest) and noren.definer (reviewed functions) from the session.
begin;
select plan(16);

create temporary view our_schema as
    select oid, nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'public');
create temporary view our_table as
    select c.oid, format('%s.%s', n.nspname, c.relname) as name, n.nspname as schema, c.relrowsecurity, c.relforcerowsecurity, c.relowner
    from pg_class c join our_schema n on n.oid = c.relnamespace where c.relkind in ('r', 'p');
create temporary view application_role as
    select oid, rolname from pg_roles where rolname in ('noren_app', 'anon', 'authenticated', 'service_role', 'auditor');

select cmp_ok((select count(*) from our_table), '>=', 18::bigint, 'the rooms have tables');
select set_eq($$ select relname::text from pg_class where relkind in ('r', 'p', 'v', 'm') and relnamespace = 'public'::regnamespace
        and relname not in ('tap_funky', 'pg_all_foreign_keys') $$, array['_sqlx_migrations'],
    'no table or view stands outside of the rooms'' schemas');
select is_empty($$ select name from our_table where not (relrowsecurity and relforcerowsecurity) $$,
    'row-level security is on and forced for every table');
select is_empty($$ select name from our_table t where not exists (select from pg_policy p where p.polrelid = t.oid) $$,
    'every table has a policy');
select is_empty($$
    select t.name, p.polname from our_table t join pg_policy p on p.polrelid = t.oid
    where 0 = any (p.polroles) or p.polroles && array(select oid from application_role where rolname in ('anon', 'noren_app')) $$,
    'no policy lets everybody, a stranger or the unscoped connection in');
select is_empty($$
    select t.name, p.polname from our_table t join pg_attribute a on a.attrelid = t.oid join pg_policy p on p.polrelid = t.oid
    where a.attname = 'tenant_id' and not a.attisdropped
      and p.polpermissive -- what restricts can only take away
      and p.polroles && array(select oid from application_role where rolname = 'authenticated')
      and (pg_get_expr(p.polqual, p.polrelid) is distinct from '(tenant_id = ( SELECT auth.tenant_id() AS tenant_id))'
        or pg_get_expr(p.polwithcheck, p.polrelid) is distinct from '(tenant_id = ( SELECT auth.tenant_id() AS tenant_id))') $$,
    'where there is a tenant, a caller reads and writes its own tenant''s rows and no others');
select is_empty($$
    select t.name, r.rolname from our_table t join application_role r on r.oid = t.relowner $$,
    'the roles of the application own no table');
select is_empty($$
    select n.nspname, r.rolname from pg_namespace n join application_role r on r.oid = n.nspowner
    union all select p.oid::regprocedure::text, r.rolname from pg_proc p join application_role r on r.oid = p.proowner $$,
    'the roles of the application own no schema and no function');
select is_empty($$
    select rolname from pg_roles join application_role using (rolname)
    where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication $$,
    'the roles of the application bypass nothing');
select set_eq($$ select m.roleid::regrole::text from pg_auth_members m where m.member = 'noren_app'::regrole $$,
    array['anon', 'authenticated', 'service_role'], 'the application takes these three roles and no other');
select is_empty($$
    select r.rolname, t.name, privilege from application_role r, our_table t,
        unnest(array['truncate', 'references', 'trigger']) as privilege
    where has_table_privilege(r.oid, t.oid, privilege) $$,
    'no role of the application may truncate a table or hang a trigger on it');
select is_empty($$
    select r.rolname, n.nspname from application_role r, our_schema n where has_schema_privilege(r.oid, n.oid, 'create')
    union all select r.rolname, 'public' from application_role r where has_schema_privilege(r.oid, 'public', 'create') $$,
    'no role of the application may create anything');
select is_empty($$
    select c.oid::regclass from pg_class c join our_schema n on n.oid = c.relnamespace
    where c.relkind = 'm' or c.relkind = 'v' and not coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on'] $$,
    'every view asks with the rights of who reads it');
select set_eq($$
    select p.oid::regprocedure::text from pg_proc p join our_schema n on n.oid = p.pronamespace where p.prosecdef $$,
    $$ select unnest(string_to_array(current_setting('noren.definer'), ';')) $$,
    'the functions that run as their owner are the reviewed ones');
select is_empty($$
    select p.oid::regprocedure from pg_proc p join our_schema n on n.oid = p.pronamespace
    where p.prosecdef and (not coalesce(array_to_string(p.proconfig, ','), '') ~ '^search_path=(pg_catalog|"")$'
        or p.prorettype <> 'trigger'::regtype and has_function_privilege('anon', p.oid, 'execute')) $$,
    'each of them has a search path of its own and is either a trigger''s or not for strangers');
select is_empty($$
    select k.conname, a.nspname, b.nspname from pg_constraint k
        join pg_class ca on ca.oid = k.conrelid join our_schema a on a.oid = ca.relnamespace
        join pg_class cb on cb.oid = k.confrelid join pg_namespace b on b.oid = cb.relnamespace
    where k.contype = 'f' and not coalesce(array_position(string_to_array(current_setting('noren.floors'), ','), b.nspname::text)
        <= array_position(string_to_array(current_setting('noren.floors'), ','), a.nspname::text), false) $$,
    'foreign keys point downward only');
select * from finish();
rollback;
