-- Primary keys, unique constraints and full unique indexes on plain columns (p, u, i), and foreign keys (f), from pg_catalog:
-- a role that may only SELECT sees none of them in information_schema.
select c.conrelid::int8 as oid, c.conname as name, c.contype::text as kind,
       (select array_agg(a.attname::text order by k.n) from unnest(c.conkey) with ordinality k(num, n)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num) as columns,
       pn.nspname as parent_schema, p.relname as parent_table,
       (select array_agg(a.attname::text order by k.n) from unnest(c.confkey) with ordinality k(num, n)
        join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num) as parent_columns
from pg_constraint c
left join pg_class p on p.oid = c.confrelid
left join pg_namespace pn on pn.oid = p.relnamespace
where c.contype in ('p', 'u', 'f') and c.conrelid = any (%(oids)s::oid[]) and c.conparentid = 0
union all
select i.indrelid::int8, x.relname, 'i',
       (select array_agg(a.attname::text order by k.n) from unnest(i.indkey::int2[]) with ordinality k(num, n)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num
        where k.n <= i.indnkeyatts),
       null, null, null
from pg_index i
join pg_class x on x.oid = i.indexrelid
where i.indisunique and i.indpred is null and i.indexprs is null and i.indisvalid
  and i.indrelid = any (%(oids)s::oid[])
  and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u'))
order by 1, 3, 2
