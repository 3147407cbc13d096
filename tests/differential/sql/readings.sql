-- What averages, NULL order and time zones are tried on: three organizations, one of them without a row, one with NULLs alone.
create table organizations (id integer primary key, name text not null);
create table readings (
    id integer primary key,
    organization_id integer not null references organizations,
    happened_at timestamptz,
    local_at timestamp,
    on_day date,
    whole integer,
    big bigint,
    exact numeric(12, 4),
    precise numeric(38, 10),
    wide double precision,
    narrow real,
    label text
);

insert into organizations values (1, 'some of everything'), (2, 'nothing known'), (3, 'no row');

-- A quarter of an hour apart, around the changes of the clocks in Berlin, Lord Howe and Apia (which left out a day), and around a new year.
insert into readings
select row_number() over (order by start, n), 1, start + n * interval '15 minutes', (start + n * interval '15 minutes') at time zone 'UTC',
       (start at time zone 'UTC')::date + n, n - 7, 9007199254740993 + n, n * 1.0001, n * 12345678901234567.0123456789,
       n / 3.0::double precision, n / 7.0::real, chr(65 + n % 26)
from unnest(array[
    timestamptz '2024-03-31 00:00+00', '2024-10-27 00:00+00', '2024-04-06 13:00+00', '2024-10-05 14:00+00', '2011-12-30 08:00+00',
    '2024-12-31 10:00+00', '1969-12-31 23:00+00'
]) as start, generate_series(0, 15) as n;

-- NULL in one column after another; equal rows; and an organization that has NULLs alone.
update readings set happened_at = null where id % 11 = 0;
update readings set local_at = null where id % 13 = 0;
update readings set on_day = null where id % 17 = 0;
update readings set whole = null where id % 5 = 0;
update readings set big = null where id % 6 = 0;
update readings set exact = null where id % 7 = 0;
update readings set wide = null where id % 8 = 0;
update readings set label = null where id % 9 = 0;
update readings set label = '' where id % 10 = 0;
insert into readings (id, organization_id) select 1000 + n, 2 from generate_series(1, 5) n;
