-- schema_shape
-- Columns, constraints, indexes, views and walls of a schema as one text, to notice changes by hand;
-- but without the indexes that are being built.
select coalesce(string_agg(line, E'\n' order by line), '')
from (
    select format('column %s.%s %s %s', t.relname, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull) as line
    from pg_attribute a
    join pg_class t on t.oid = a.attrelid and t.relkind in ('r', 'v')
    where t.relnamespace = :schema::text::regnamespace and a.attnum > 0 and not a.attisdropped
    union all
    select format('constraint %s %s', c.conname, pg_get_constraintdef(c.oid))
    from pg_constraint c
    where c.connamespace = :schema::text::regnamespace and c.contype <> 'n'
    union all
    select format('index %s', i.indexdef) from pg_indexes i
    where i.schemaname = :schema::text and i.indexname <> all (:without::text[])
    union all
    select format('view %s %s %s', v.relname, v.reloptions, pg_get_viewdef(v.oid))
    from pg_class v where v.relnamespace = :schema::text::regnamespace and v.relkind = 'v'
    union all
    select format('trigger %s', pg_get_triggerdef(g.oid))
    from pg_trigger g join pg_class t on t.oid = g.tgrelid
    where t.relnamespace = :schema::text::regnamespace and not g.tgisinternal
    union all
    select format('wall %s %s %s', t.relname, t.relrowsecurity, t.relforcerowsecurity)
    from pg_class t
    where t.relnamespace = :schema::text::regnamespace and t.relkind in ('r', 'p')
    union all
    select format('policy %s %s %s %s %s %s %s', p.tablename, p.policyname, p.permissive, p.roles,
                  p.cmd, p.qual, p.with_check)
    from pg_policies p where p.schemaname = :schema::text
    union all
    select format('function %s %s', p.proname, pg_get_functiondef(p.oid))
    from pg_proc p where p.pronamespace = :schema::text::regnamespace and p.prokind = 'f'
) shape;

-- account
-- Whether this account may act in a role (null: as itself), and whether policies would not apply to
-- that role: it may ignore them, or it owns tables, whose policies it may change.
select acting.rolname as name,
       pg_has_role(acting.oid, 'member') as may_act,
       acting.rolsuper or acting.rolbypassrls or exists (
           select from pg_class t
           where t.relnamespace = 'headstart'::regnamespace
             and pg_has_role(acting.oid, t.relowner, 'usage')) as passes_the_wall
from pg_roles acting
where acting.rolname = coalesce(:role::text, current_user);
