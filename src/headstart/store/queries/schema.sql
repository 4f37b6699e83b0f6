-- schema_shape
-- Columns, constraints, indexes and views of a schema as one text, to notice changes by hand; but
-- without the indexes that are being built.
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
    select format('view %s %s', v.relname, pg_get_viewdef(v.oid))
    from pg_class v where v.relnamespace = :schema::text::regnamespace and v.relkind = 'v'
    union all
    select format('trigger %s', pg_get_triggerdef(g.oid))
    from pg_trigger g join pg_class t on t.oid = g.tgrelid
    where t.relnamespace = :schema::text::regnamespace and not g.tgisinternal
    union all
    select format('function %s %s', p.proname, pg_get_functiondef(p.oid))
    from pg_proc p where p.pronamespace = :schema::text::regnamespace and p.prokind = 'f'
) shape;
