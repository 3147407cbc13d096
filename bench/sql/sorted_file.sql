-- The limit of a build: the same rows, in the same order, in one file. customer, orders and lineitem are views of the Parquet files.
create table s.customer as
select *, c_custkey % getvariable('tenants') + 1 as tenant_id from customer order by tenant_id, c_custkey;

create table s.orders as
select *, o_custkey % getvariable('tenants') + 1 as tenant_id from orders order by tenant_id, o_orderkey;

create table s.lineitem as
select lineitem.*, o_custkey % getvariable('tenants') + 1 as tenant_id
from lineitem join orders on o_orderkey = l_orderkey
order by tenant_id, l_orderkey, l_linenumber;
