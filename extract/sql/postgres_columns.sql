-- Columns of the named relations in their order, domains resolved to their base type (recursively), arrays with their element.
with recursive base as (
    select t.oid, t.oid as origin, t.typtype, t.typbasetype, t.typtypmod, null::int4 as typmod from pg_type t
    union all
    select t.oid, b.origin, t.typtype, t.typbasetype, t.typtypmod, coalesce(b.typmod, nullif(b.typtypmod, -1))
    from base b join pg_type t on t.oid = b.typbasetype
    where b.typtype = 'd'
)
select a.attrelid::int8 as oid, a.attname as name, not a.attnotnull and not (o.typtype = 'd' and o.typnotnull) as nullable,
       format_type(a.atttypid, a.atttypmod) as source_type,
       t.typname as type, t.typtype::text as typtype, t.typcategory::text as category,
       coalesce(nullif(a.atttypmod, -1), b.typmod, -1) as typmod,
       e.typname as element, e.typtype::text as element_typtype,
       col_description(a.attrelid, a.attnum) as comment,
       coalesce(not co.collisdeterministic, false) as folds
from pg_attribute a
join pg_type o on o.oid = a.atttypid
join base b on b.origin = a.atttypid and b.typtype <> 'd'
join pg_type t on t.oid = b.oid
left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
left join pg_collation co on co.oid = a.attcollation
where a.attrelid = any (%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
