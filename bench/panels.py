"""The dashboard of the serving benchmark: a join over all months (about 80 rows), a top ten, a join with five rows."""

from __future__ import annotations

PANELS = {
    "month": """
        select strftime(o_orderdate, '%Y-%m') as month, cast(sum(l_extendedprice * (1 - l_discount)) as double) as revenue
        from orders join lineitem on l_orderkey = o_orderkey
        group by 1
        order by 1""",
    "parts": """
        select l_partkey as part, cast(sum(l_extendedprice * (1 - l_discount)) as double) as revenue
        from lineitem
        group by 1
        order by 2 desc, 1
        limit 10""",
    "priority": """
        select o_orderpriority as priority, count(*) as lines, cast(sum(l_quantity) as double) as quantity
        from orders join lineitem on l_orderkey = o_orderkey
        group by 1
        order by 1""",
}
