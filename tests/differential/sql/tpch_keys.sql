-- Keys of TPC-H, and the indexes that a query for one tenant needs; run after the rows are in.
alter table tenants add primary key (id);
alter table region add primary key (r_regionkey);
alter table nation add primary key (n_nationkey);
alter table supplier add primary key (s_suppkey);
alter table part add primary key (p_partkey);
alter table partsupp add primary key (ps_partkey, ps_suppkey);
alter table customer add primary key (c_custkey);
alter table orders add primary key (o_orderkey);
alter table lineitem add primary key (l_orderkey, l_linenumber);

create index on customer (tenant_id);
create index on orders (o_custkey);

alter table nation add foreign key (n_regionkey) references region (r_regionkey);
alter table supplier add foreign key (s_nationkey) references nation (n_nationkey);
alter table partsupp add foreign key (ps_partkey) references part (p_partkey);
alter table partsupp add foreign key (ps_suppkey) references supplier (s_suppkey);
alter table customer add foreign key (c_nationkey) references nation (n_nationkey);
alter table customer add foreign key (tenant_id) references tenants (id);
alter table orders add foreign key (o_custkey) references customer (c_custkey);
alter table lineitem add foreign key (l_orderkey) references orders (o_orderkey);
alter table lineitem add foreign key (l_partkey, l_suppkey) references partsupp (ps_partkey, ps_suppkey);
