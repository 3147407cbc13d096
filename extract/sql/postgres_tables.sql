-- Relations that hold rows (r), partitioned parents (p), never a partition by itself, and views (v, m) with their statements; %(schemas)s null means all but the system's.
select n.nspname as schema, c.relname as table, c.oid::int8 as oid, c.relkind::text as kind,
       nullif(c.reltuples, -1)::int8 as rows,
       obj_description(c.oid, 'pg_class') as comment,
       has_table_privilege(c.oid, 'SELECT') or has_any_column_privilege(c.oid, 'SELECT') as readable,
       c.relrowsecurity as row_security,
       case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as statement,
       exists (select from pg_inherits i where i.inhparent = c.oid) and c.relkind = 'r' as inherited
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%%' and n.nspname not like 'pg\_temp%%'
  and (%(schemas)s::text[] is null or n.nspname = any (%(schemas)s::text[]))
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
