-- The rows of the demo source. All chance comes from hashes of numbers and one fixed seed (seed.chance), so every load gives the same
-- business; only the calendar moves: it ends on the day of the load. Helper tables live in the schema seed, which 03_keys.sql drops.

-- stage: helper functions
set time zone 'UTC';
set synchronous_commit = off;
set work_mem = '96MB';
set jit = off;

-- A number in [0, 1) for the n-th thing; salt tells one use from another.
create function seed.chance(n bigint, salt integer) returns double precision
language sql immutable parallel safe
return (hashint8extended(n, 20240517000 + salt) & 4503599627370495)::double precision / 4503599627370496;

-- A uuid for the n-th thing.
create function seed.uid(n bigint, salt integer) returns uuid
language sql immutable parallel safe
return (lpad(to_hex(hashint8extended(n, 20240517000 + salt)), 16, '0') || lpad(to_hex(hashint8extended(n, 20250517000 + salt)), 16, '0'))::uuid;

-- A country: half of Europe, some of the rest. r in [0, 1).
create function seed.country(r double precision) returns char(2)
language sql immutable parallel safe
return (string_to_array('DE DE DE DE DE DE DE DE DE DE DE AT AT FR FR FR FR FR FR FR NL NL NL NL GB GB GB GB GB GB GB ES ES ES ES IT IT IT PL PL PL SE SE CH CH US US US US US US CA DK BE BE NO IE PT', ' '))[1 + floor(r * 58)::integer];

-- The moment nearest to t at which people work: mostly a weekday, mostly by day.
create function seed.work_time(t timestamptz, n bigint) returns timestamptz
language sql immutable parallel safe
return date_trunc('day', t, 'UTC')
  - case when extract(isodow from t at time zone 'UTC') >= 6 and seed.chance(n, 901) < 0.74
      then (extract(isodow from t at time zone 'UTC') - 5 + floor(seed.chance(n, 902) * 5))::double precision else 0 end * interval '1 day'
  + case when seed.chance(n, 903) < 0.12 then seed.chance(n, 904) * 86399
      else 25200 + 21600 * (seed.chance(n, 904) + seed.chance(n, 905)) end * interval '1 second';

-- stage: countries, plans, products and prices
insert into currencies values
  ('EUR', 'Euro', '€', 2), ('GBP', 'Pound sterling', '£', 2), ('USD', 'US dollar', '$', 2), ('CHF', 'Swiss franc', 'CHF', 2),
  ('PLN', 'Polish złoty', 'zł', 2), ('SEK', 'Swedish krona', 'kr', 2), ('CAD', 'Canadian dollar', 'CA$', 2), ('DKK', 'Danish krone', 'kr.', 2),
  ('NOK', 'Norwegian krone', 'kr', 2);

insert into countries values
  ('AT', 'Austria', 'Europe', 'EUR', 20), ('BE', 'Belgium', 'Europe', 'EUR', 21), ('CA', 'Canada', 'North America', 'CAD', 5),
  ('CH', 'Switzerland', 'Europe', 'CHF', 8.1), ('DE', 'Germany', 'Europe', 'EUR', 19), ('DK', 'Denmark', 'Europe', 'DKK', 25),
  ('ES', 'Spain', 'Europe', 'EUR', 21), ('FR', 'France', 'Europe', 'EUR', 20), ('GB', 'United Kingdom', 'Europe', 'GBP', 20),
  ('IE', 'Ireland', 'Europe', 'EUR', 23), ('IT', 'Italy', 'Europe', 'EUR', 22), ('NL', 'Netherlands', 'Europe', 'EUR', 21),
  ('NO', 'Norway', 'Europe', 'NOK', 25), ('PL', 'Poland', 'Europe', 'PLN', 23), ('PT', 'Portugal', 'Europe', 'EUR', 23),
  ('SE', 'Sweden', 'Europe', 'SEK', 25), ('US', 'United States', 'North America', 'USD', 0);

insert into exchange_rates
select c.code, m::date, round((c.base * (1 + 0.04 * sin(i / 5.0 + c.wave) + 0.01 * (seed.chance(i * 100 + c.wave, 1) - 0.5)))::numeric, 6)
from (values ('GBP', 0.852, 1), ('USD', 1.092, 2), ('CHF', 0.951, 3), ('PLN', 4.284, 4), ('SEK', 11.31, 5), ('CAD', 1.489, 6), ('DKK', 7.459, 7),
             ('NOK', 11.64, 8)) as c (code, base, wave),
     seed.settings,
     generate_series(date_trunc('month', since) - interval '1 month', date_trunc('month', as_of), interval '1 month') with ordinality as g (m, i);
insert into exchange_rates select 'EUR', min(valid_from), 1 from exchange_rates;

insert into plans (id, code, name, rank, included_seats, features, is_public) values
  (1, 'free', 'Free', 0, 2, '{projects}', true),
  (2, 'starter', 'Starter', 1, 5, '{projects,tickets}', true),
  (3, 'team', 'Team', 2, 20, '{projects,tickets,reports}', true),
  (4, 'pro', 'Pro', 3, 50, '{projects,tickets,reports,automation,sso}', true),
  (5, 'enterprise', 'Enterprise', 4, 500, '{projects,tickets,reports,automation,sso,audit,residency}', false);

insert into products (id, sku, name, is_addon, attributes) values
  (1, 'SEAT', 'Seat', false, '{"unit": "seat"}'),
  (2, 'STORAGE', 'Extra storage', true, '{"unit": "100 GB"}'),
  (3, 'SUPPORT', 'Priority support', true, '{"unit": "subscription", "response_hours": 4}'),
  (4, 'AUDIT', 'Audit export', true, '{"unit": "subscription"}'),
  (5, 'AUTOMATION', 'Automation pack', true, '{"unit": "10,000 runs"}');

insert into prices (id, product_id, plan_id, currency_code, billing_interval, unit_amount)
select (p - 1) * 2 + y + 1, 1, p, 'EUR', (array['month', 'year'])[y + 1]::billing_interval, (array[0, 9, 19, 39, 79])[p] * (1 + 9 * y)
from generate_series(1, 5) as p, generate_series(0, 1) as y
union all
select 11 + a * 2 + y, a + 2, null, 'EUR', (array['month', 'year'])[y + 1]::billing_interval, (array[12.50, 49, 29, 18.90])[a + 1] * (1 + 9 * y)
from generate_series(0, 3) as a, generate_series(0, 1) as y;

insert into coupons (id, code, percent_off, duration_months, redeem_by)
select i, 'SAVE' || (array[10, 15, 20, 25])[1 + i % 4] || '-' || lpad(i::text, 2, '0'), (array[10, 15, 20, 25])[1 + i % 4], (array[3, 6, 12])[1 + i % 3],
       case when i % 2 = 0 then (as_of - (i * 25 - 200) * interval '1 day')::date end
from generate_series(1, 18) as i, seed.settings;

insert into feature_flags (id, name, description, default_enabled)
select i, f, 'Turns on ' || replace(f, '_', ' '), i % 4 = 0
from unnest(array['new_editor', 'bulk_actions', 'calendar_view', 'dark_theme', 'ai_summaries', 'custom_fields', 'time_tracking', 'gantt_view', 'guest_access',
  'email_to_ticket', 'webhooks', 'usage_alerts', 'single_sign_on', 'audit_export', 'data_residency', 'mobile_push']) with ordinality as t (f, i);

insert into schema_migrations
select to_char(since + i * interval '27 days', 'YYYYMMDD') || lpad((i * 7919 % 240000)::text, 6, '0'), since + i * interval '27 days' + interval '9 hours'
from generate_series(0, 33) as i, seed.settings;

-- stage: 200 organizations
create table seed.organization as
with ranked as (
  select rank, row_number() over (order by seed.chance(rank, 10) + 0.15 * rank / 200) as id,
         power(rank + 1, -0.75) * power(1 - (rank - 1) / 200.3, 2) as size
  from generate_series(1, 200) as rank
), weighted as (
  select *, size / sum(size) over () as share from ranked
), dated as (
  select *, since + extract(epoch from as_of - since) * (0.02 + seed.chance(rank, 11) * (0.12 + 0.7 * rank / 200)) * interval '1 second' as start_at
  from weighted, seed.settings
)
select id, rank, start_at, extract(epoch from as_of - start_at)::double precision as span,
       greatest(1, round(8400 * share))::integer as members, round(8600 * share)::integer as customers, ceil(760 * share)::integer as teams,
       round(4200 * share)::integer as projects, round(37000 * share)::integer as tickets, greatest(2, round(76000 * share))::integer as sessions,
       greatest(1, round(60000 * share))::integer as audits, seed.country(seed.chance(rank, 12)) as country_code,
       case when rank <= 14 then 5 when rank <= 55 then 4 when rank <= 110 then 3 when rank <= 160 then 2 else 1 end as plan_id
from dated;
create unique index on seed.organization (id);
analyze seed.organization;

insert into organizations (id, name, slug, parent_id, plan_id, country_code, external_id, billing_email, tags, settings, created_at)
select o.id, 'Organization ' || o.id, 'organization-' || o.id, p.id, o.plan_id, o.country_code, seed.uid(o.id, 20),
       case when o.plan_id > 1 then 'billing@organization-' || o.id || '.example.com' end,
       array_remove(array[case when o.rank <= 20 then 'key-account' end, case when seed.chance(o.id, 21) < 0.2 then 'pilot' end,
                          case when seed.chance(o.id, 22) < 0.15 then 'public-sector' end], null),
       jsonb_build_object('locale', case when o.country_code in ('DE', 'AT', 'CH') then 'de' when o.country_code = 'FR' then 'fr' else 'en' end,
                          'week_starts_on', case when o.country_code in ('US', 'CA') then 'sunday' else 'monday' end, 'beta', seed.chance(o.id, 23) < 0.1),
       o.start_at - interval '8 days'
from seed.organization o
left join seed.organization p on o.rank between 61 and 132 and o.rank % 6 = 0 and p.rank = 1 + o.rank % 5
order by o.id;

-- stage: users and memberships
create table seed.membership as
select row_number() over (order by o.id, k) as n, o.id as organization_id, k, o.country_code,
       o.start_at - interval '7 days' + o.span * power((k - 1.0) / o.members, 0.6) * interval '1 second' as joined_at
from seed.organization o, generate_series(1, o.members) as k;

-- About six percent of memberships are a second or third one of a user who came with another organization.
create table seed.member as
with total as (
  select max(n) as total from seed.membership
), chosen as (
  select m.*, case when seed.chance(n, 30) < 0.06 then 1 + floor(seed.chance(n, 31) * total)::bigint end as other from seed.membership m, total
), resolved as (
  select c.*, case when o.organization_id <> c.organization_id and o.joined_at < c.joined_at then o.n else c.n end as person
  from chosen c left join chosen o on o.n = c.other and o.other is null
), once as (
  select *, case when row_number() over (partition by organization_id, person order by n) > 1 then n else person end as owner from resolved
)
select n, organization_id, k, country_code, joined_at, dense_rank() over (order by first_at, owner) as user_id
from (select *, min(joined_at) over (partition by owner) as first_at from once) f;
create unique index on seed.member (organization_id, k);
analyze seed.member;

insert into users (id, email, full_name, country_code, locale, is_active, created_at)
select user_id, 'user' || user_id || '@example.com', 'User ' || user_id,
       case when seed.chance(user_id, 33) < 0.9 then country_code else seed.country(seed.chance(user_id, 34)) end,
       (array['en', 'en', 'de', 'fr', 'es', 'nl'])[1 + floor(seed.chance(user_id, 35) * 6)::integer], seed.chance(user_id, 36) < 0.93, joined_at
from (select distinct on (user_id) * from seed.member order by user_id, joined_at, n) u;
insert into users (id, email, full_name, country_code, locale, is_active, created_at)
select u, 'user' || u || '@example.com', 'User ' || u, seed.country(seed.chance(u, 34)), 'en', false, since + (u - last) * interval '25 days'
from (select max(id) as last from users) m, seed.settings, generate_series(last + 1, last + 30) as u;

insert into memberships (id, organization_id, user_id, role, joined_at)
select row_number() over (order by joined_at, n), organization_id, user_id,
       case when k = 1 then 'owner' when seed.chance(n, 37) < 0.09 then 'admin' when seed.chance(n, 37) < 0.9 then 'member' else 'guest' end::membership_role,
       joined_at
from seed.member order by joined_at, n;

-- The k of a member who has joined when the fraction f of the organization's time has passed. r in [0, 1); the older ones do more.
create function seed.pick(members integer, f double precision, r double precision) returns integer
language sql immutable parallel safe
return 1 + floor(members * power(f, 1.67) * power(r, 1.4))::integer;

-- stage: invitations, API keys and features
insert into invitations
select seed.uid(i.n, 40), i.organization_id, m.user_id, 'invited' || i.n || '@example.com',
       (array['member', 'member', 'member', 'admin', 'guest'])[1 + floor(seed.chance(i.n, 42) * 5)::integer]::membership_role, i.sent_at,
       case when seed.chance(i.n, 43) < 0.7 and i.sent_at + interval '5 days' < as_of then i.sent_at + seed.chance(i.n, 44) * interval '5 days' end,
       i.sent_at + interval '14 days'
from (select o.id * 10000 + k as n, o.id as organization_id, seed.pick(o.members, f, seed.chance(o.id * 10000 + k, 41)) as k,
             seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 10000 + k) as sent_at
      from seed.organization o, generate_series(1, (o.members * 0.3)::integer) as k, power((k - 0.5) / (o.members * 0.3), 0.6) as f where f < 1) i
join seed.member m using (organization_id, k), seed.settings
order by i.sent_at;

insert into api_keys
select row_number() over (order by a.created_at, a.n), a.organization_id, m.user_id, (array['CI', 'Reporting', 'Import', 'Webhooks', 'Mobile'])[1 + (a.n % 5)::integer],
       'sk_' || left(md5('prefix' || a.n), 6), encode(sha256(('demo' || a.n)::bytea), 'hex'),
       case when seed.chance(a.n, 51) < 0.6 then array['read'] when seed.chance(a.n, 51) < 0.9 then array['read', 'write'] else array['read', 'write', 'admin'] end,
       a.created_at, case when seed.chance(a.n, 52) < 0.85 then as_of - (as_of - a.created_at) * power(seed.chance(a.n, 53), 3) end,
       case when seed.chance(a.n, 54) < 0.15 then a.created_at + (as_of - a.created_at) * seed.chance(a.n, 55) end
from (select o.id * 1000 + k as n, o.id as organization_id, 1 + k % o.members as k, o.start_at + o.span * seed.chance(o.id * 1000 + k, 50) * interval '1 second' as created_at
      from seed.organization o, generate_series(1, (sqrt(o.members) * 1.1)::integer) as k where o.plan_id > 1) a
join seed.member m using (organization_id, k), seed.settings;

insert into organization_features
select o.id, f.id, seed.chance(o.id * 100 + f.id, 60) < 0.7, o.start_at + o.span * seed.chance(o.id * 100 + f.id, 61) * interval '1 second'
from seed.organization o, feature_flags f where seed.chance(o.id * 100 + f.id, 62) < 0.08 + 0.1 * o.plan_id;

-- stage: teams and projects
create table seed.team as
select row_number() over (order by o.id, k) as id, o.id as organization_id, k, o.start_at - interval '6 days' + o.span * 0.5 * (k - 1) / o.teams * interval '1 second' as created_at
from seed.organization o, generate_series(1, o.teams) as k where o.members > 2;

insert into teams (id, organization_id, lead_id, name, icon, created_at)
select t.id, t.organization_id, m.user_id,
       (array['Delivery', 'Support', 'Sales', 'Product', 'Operations', 'Finance', 'Marketing', 'Data'])[1 + ((t.k - 1) % 8)] || case when t.k > 8 then ' ' || (t.k + 7) / 8 else '' end,
       case when seed.chance(t.id, 70) < 0.4 then decode(md5('icon' || t.id) || md5('shape' || t.id), 'hex') end, t.created_at
from seed.team t left join seed.member m on m.organization_id = t.organization_id and m.k = t.k order by t.id;

create table seed.project as
select row_number() over (order by created_at, organization_id, k) as id, p.*, floor(power(seed.chance(p.n, 80), 1.6) * 55)::integer as tasks,
       least(as_of, created_at + interval '50 days' + seed.chance(p.n, 81) * interval '240 days') as until_at
from (select o.id * 10000 + k as n, o.id as organization_id, k, o.members, o.teams, f,
             seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 10000 + k) as created_at
      from seed.organization o, generate_series(1, o.projects) as k, power((k - seed.chance(o.id * 10000 + k, 82)) / o.projects, 0.7) as f) p, seed.settings;
analyze seed.project;

insert into projects (id, organization_id, team_id, lead_id, name, status, budget, starts_on, due_on, tags, created_at)
select p.id, p.organization_id, t.id, m.user_id,
       (array['Website', 'Onboarding', 'Migration', 'Mobile app', 'Data platform', 'Help centre', 'Billing', 'Rollout', 'Integration', 'Compliance'])[1 + floor(seed.chance(p.n, 83) * 10)::integer]
         || ' ' || (array['relaunch', 'phase 1', 'phase 2', 'pilot', 'clean-up', 'upgrade', 'review', 'automation'])[1 + floor(seed.chance(p.n, 84) * 8)::integer] || ' #' || p.k,
       case when p.until_at = as_of then case when seed.chance(p.n, 85) < 0.8 then 'active' when seed.chance(p.n, 85) < 0.9 then 'planned' else 'on_hold' end
            when seed.chance(p.n, 85) < 0.85 then 'completed' else 'cancelled' end::project_status,
       case when seed.chance(p.n, 86) < 0.7 then round((500 * power(80, seed.chance(p.n, 87)))::numeric, -2) end, p.created_at::date + 3,
       case when seed.chance(p.n, 88) < 0.85 then (p.created_at + interval '50 days' + seed.chance(p.n, 81) * interval '240 days')::date end,
       array_remove(array[case when seed.chance(p.n, 89) < 0.3 then 'customer' end, case when seed.chance(p.n, 90) < 0.2 then 'internal' end,
                          case when seed.chance(p.n, 91) < 0.1 then 'strategic' end], null), p.created_at
from seed.project p
join seed.member m on m.organization_id = p.organization_id and m.k = seed.pick(p.members, p.f, seed.chance(p.n, 92))
left join seed.team t on t.organization_id = p.organization_id and t.k = 1 + floor(seed.chance(p.n, 93) * p.teams) and seed.chance(p.n, 94) < 0.9, seed.settings
order by p.id;

insert into project_members (project_id, user_id, is_watcher, added_at)
select distinct on (p.id, m.user_id) p.id, m.user_id, seed.chance(p.n * 10 + i, 96) < 0.25, p.created_at + (p.until_at - p.created_at) * 0.4 * seed.chance(p.n * 10 + i, 97)
from seed.project p, generate_series(1, 1 + floor(seed.chance(p.n, 95) * 7)::integer) as i, seed.member m
where m.organization_id = p.organization_id and m.k = seed.pick(p.members, p.f, seed.chance(p.n * 10 + i, 98))
order by p.id, m.user_id, i;

-- stage: tasks
create table seed.task as
select row_number() over (order by created_at, project_id, k) as id, t.*,
       created_at + (1 - ln(1 - seed.chance(n, 100)) * 12) * interval '1 day' as done_at
from (select p.id as project_id, p.n * 100 + i as n, i as k, p.organization_id, p.members, p.f,
             seed.work_time(p.created_at + (p.until_at - p.created_at) * power(seed.chance(p.n * 100 + i, 101), 1.3), p.n * 100 + i) as created_at
      from seed.project p, generate_series(1, p.tasks) as i) t;
create index on seed.task (project_id, k);
analyze seed.task;

insert into tasks (id, project_id, parent_task_id, created_by, assignee_id, title, status, priority, estimate, labels, due_on, created_at, completed_at, deleted_at)
select t.id, case when p.id is null or seed.chance(t.n, 110) >= 0.015 then t.project_id end, p.id, c.user_id, a.user_id,
       (array['Review', 'Draft', 'Fix', 'Plan', 'Test', 'Update', 'Translate', 'Measure', 'Document', 'Simplify', 'Prepare', 'Check'])[1 + floor(seed.chance(t.n, 111) * 12)::integer]
         || ' the ' || (array['sign-up form', 'price list', 'import of contacts', 'weekly report', 'landing page', 'invoice layout', 'access rules', 'release notes', 'search results',
            'data export', 'customer interviews', 'training material', 'load test', 'checkout', 'reminder e-mails', 'contract template'])[1 + floor(seed.chance(t.n, 112) * 16)::integer],
       case when seed.chance(t.n, 113) < 0.04 then 'cancelled' when t.done_at < as_of and seed.chance(t.n, 113) < 0.93 then 'done'
            when seed.chance(t.n, 114) < 0.45 then 'todo' when seed.chance(t.n, 114) < 0.9 then 'in_progress' else 'blocked' end::task_status,
       (array[1, 2, 2, 2, 3, 3, 4])[1 + floor(seed.chance(t.n, 115) * 7)::integer],
       case when seed.chance(t.n, 116) < 0.7 then (array['1 hour', '2 hours', '4 hours', '1 day', '2 days', '5 days'])[1 + floor(seed.chance(t.n, 117) * 6)::integer]::interval end,
       case when seed.chance(t.n, 118) < 0.5 then '{}'::text[] when seed.chance(t.n, 118) < 0.7 then '{design}' when seed.chance(t.n, 118) < 0.85 then '{bug}'
            when seed.chance(t.n, 118) < 0.95 then '{content,customer}' else '{bug,urgent}' end,
       case when seed.chance(t.n, 119) < 0.6 then (t.created_at + (3 + seed.chance(t.n, 120) * 30) * interval '1 day')::date end, t.created_at,
       case when seed.chance(t.n, 113) >= 0.04 and seed.chance(t.n, 113) < 0.93 and t.done_at < as_of then t.done_at end,
       case when seed.chance(t.n, 121) < 0.02 then t.created_at + (as_of - t.created_at) * seed.chance(t.n, 122) end
from seed.task t
left join seed.task p on p.project_id = t.project_id and t.k > 3 and p.k = 1 + floor(seed.chance(t.n, 123) * 3) and seed.chance(t.n, 124) < 0.2
left join seed.member c on c.organization_id = t.organization_id and c.k = seed.pick(t.members, t.f, seed.chance(t.n, 125))
left join seed.member a on a.organization_id = t.organization_id and a.k = seed.pick(t.members, t.f, seed.chance(t.n, 126)) and seed.chance(t.n, 127) < 0.88, seed.settings
order by t.id;

-- stage: comments on tasks
insert into comments (id, task_id, author_id, body, is_edited, created_at)
select row_number() over (order by c.at, c.n), c.task_id, m.user_id,
       (array['Done for the first part, the rest follows tomorrow.', 'Can you have a look before Friday?', 'This needs a decision from the customer.', 'Tested, works as described.',
              'Moved to next week, we are waiting for access.', 'Thanks, much clearer now.', 'I split this into two steps.', 'The numbers do not match last month''s report.',
              'Approved.', 'Please add a screenshot.', 'Blocked by the import.', 'Rolled out to the pilot group, no complaints so far.',
              'Let us discuss it in the weekly.', 'Updated the description.', 'The customer confirmed by phone.', 'Could be simpler, but good enough for now.'])[1 + floor(seed.chance(c.n, 132) * 16)::integer]
         || case when seed.chance(c.n, 133) < 0.25 then ' (see #' || c.task_id || ')' else '' end,
       seed.chance(c.n, 134) < 0.06, c.at
from (select t.id as task_id, t.n * 20 + i as n, t.organization_id, seed.pick(t.members, t.f, seed.chance(t.n * 20 + i, 131)) as k,
             t.created_at + (least(t.done_at, as_of) - t.created_at) * seed.chance(t.n * 20 + i, 130) as at
      from seed.task t, seed.settings, generate_series(1, least(12, floor(-ln(1 - seed.chance(t.n, 135)) * 2))::integer) as i) c
join seed.member m using (organization_id, k)
order by 1;

-- stage: support tickets
create table seed.ticket as
select row_number() over (order by created_at, n) as id, t.*,
       (case when seed.chance(n, 140) < 0.16 then 'low' when seed.chance(n, 140) < 0.74 then 'normal' when seed.chance(n, 140) < 0.94 then 'high' else 'urgent' end)::ticket_priority as priority,
       created_at - ln(1 - seed.chance(n, 141)) * (case when seed.chance(n, 140) < 0.16 then 110 when seed.chance(n, 140) < 0.74 then 60 when seed.chance(n, 140) < 0.94 then 28 else 9 end) * interval '1 hour'
         + case when seed.chance(n, 142) < 0.012 then interval '150 days' else interval '20 minutes' end as resolved_at
from (select o.id * 100000 + k as n, o.id as organization_id, o.members, f,
             case when seed.chance(o.id * 100000 + k, 143) < 0.035 and o.span > 86400 * 320     -- three bad days
               then as_of - (array[46, 163, 301])[1 + floor(seed.chance(o.id * 100000 + k, 144) * 3)::integer] * interval '1 day' + (7 + 8 * power(seed.chance(o.id * 100000 + k, 145), 1.5)) * interval '1 hour'
               else seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 100000 + k) end as created_at
      from seed.organization o, seed.settings, generate_series(1, o.tickets) as k, power(seed.chance(o.id * 100000 + k, 146), 0.68) as f) t;
analyze seed.ticket;

insert into tickets (id, organization_id, requester_id, assignee_id, subject, status, priority, channel, satisfaction, first_response, metadata, created_at, resolved_at, deleted_at)
select t.id, t.organization_id, r.user_id, a.user_id,
       (array['Cannot sign in', 'Question about an invoice', 'Export is slow', 'Import failed', 'How do I invite guests?', 'Wrong amount on invoice', 'Webhook not delivered', 'Report shows old data',
              'Change of billing address', 'Request: calendar view', 'Page does not load', 'E-mail not received', 'Upgrade of plan', 'Delete an account'])[1 + floor(power(seed.chance(t.n, 150), 1.3) * 14)::integer],
       case when t.resolved_at < as_of - interval '21 days' then 'closed' when t.resolved_at < as_of then 'resolved' when seed.chance(t.n, 151) < 0.62 then 'open' else 'pending' end::ticket_status,
       t.priority, (array['email', 'email', 'email', 'web', 'web', 'chat', 'phone'])[1 + floor(seed.chance(t.n, 152) * 7)::integer],
       case when t.resolved_at < as_of and seed.chance(t.n, 153) < 0.38 then (array[1, 2, 3, 4, 4, 4, 5, 5, 5, 5])[1 + floor(seed.chance(t.n, 154) * 10)::integer] end,
       case when t.created_at + interval '1 day' < as_of then least(t.resolved_at - t.created_at, (2 - ln(1 - seed.chance(t.n, 155)) * 95)::integer * interval '1 minute') end,
       case when seed.chance(t.n, 156) < 0.5 then jsonb_build_object('browser', (array['Firefox', 'Chrome', 'Safari', 'Edge'])[1 + floor(seed.chance(t.n, 157) * 4)::integer], 'reopened', seed.chance(t.n, 158) < 0.07) end,
       t.created_at, case when t.resolved_at < as_of then t.resolved_at end,
       case when seed.chance(t.n, 159) < 0.014 and t.created_at < as_of - interval '2 days' then t.created_at + interval '6 hours' end
from seed.ticket t
join seed.member r on r.organization_id = t.organization_id and r.k = seed.pick(t.members, t.f, seed.chance(t.n, 160))
left join seed.member a on a.organization_id = t.organization_id and a.k = 1 + floor(seed.chance(t.n, 161) * ceil(t.members * t.f * 0.15)) and seed.chance(t.n, 162) < 0.92, seed.settings
order by t.id;

-- stage: messages of tickets
insert into ticket_messages (id, ticket_id, author_id, body, is_internal, sent_at)
select row_number() over (order by m.at, m.n), m.ticket_id, m.author_id,
       case when m.i = 1 then (array['Hello, since this morning it does not work any more. Can you help?', 'We noticed a difference between the report and the export.', 'Please tell us how to do this.',
                                     'The page shows an error when we save.', 'Could you check our last invoice?', 'One of our people cannot get in.'])[1 + floor(seed.chance(m.n, 170) * 6)::integer]
            when m.i % 2 = 0 then (array['Thank you for the report, we are looking into it.', 'Could you send us the time and the browser?', 'This is fixed now, please try again.', 'We have passed it on to the product team.',
                                         'The setting is under Settings, Billing.', 'We have corrected the invoice and sent a new one.'])[1 + floor(seed.chance(m.n, 171) * 6)::integer]
            else (array['It works again, thank you!', 'Still the same here.', 'Attached is a screenshot.', 'It happened at about ten o''clock.', 'Fine for us.'])[1 + floor(seed.chance(m.n, 172) * 5)::integer] end,
       m.i % 2 = 0 and seed.chance(m.n, 173) < 0.15, m.at
from (select t.id as ticket_id, t.id * 20 + i as n, i, case when i % 2 = 0 then coalesce(k.assignee_id, k.requester_id) else k.requester_id end as author_id,
             t.created_at + (least(t.resolved_at, t.created_at + interval '12 days', as_of) - t.created_at) * power((i - 1) / 9.0, 0.8) as at
      from seed.ticket t join tickets k on k.id = t.id, seed.settings, generate_series(1, 1 + least(8, floor(-ln(1 - seed.chance(t.n, 174)) * 2.9))::integer) as i) m
order by 1;

-- stage: customers and subscriptions
create table seed.customer as
select row_number() over (order by created_at, n) as id, c.*,
       case when seed.chance(n, 180) < 0.62 then home else seed.country(seed.chance(n, 181)) end as country_code,
       case when seed.chance(n, 182) < 0.15 then 1 when seed.chance(n, 182) < 0.47 then 2 when seed.chance(n, 182) < 0.76 then 3 when seed.chance(n, 182) < 0.94 then 4 else 5 end as plan_id
from (select o.id * 10000 + k as n, o.id as organization_id, o.country_code as home, k,
             seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 10000 + k) as created_at
      from seed.organization o, generate_series(1, o.customers) as k, power(seed.chance(o.id * 10000 + k, 183), 0.72) as f) c;

insert into customers (id, organization_id, name, email, country_code, tax_exempt, created_at)
select id, organization_id, 'Customer ' || id, 'customer' || id || '@example.com', country_code, seed.chance(n, 184) < 0.06, created_at from seed.customer order by id;

-- A customer's first subscription, and for those who change plan a second one that follows it.
create table seed.subscription as
with first as (
  select id as customer_id, organization_id, n, country_code, plan_id, created_at, case when plan_id > 1 and seed.chance(n, 190) < 0.6 then interval '14 days' end as trial
  from seed.customer
), lived as (
  select *, coalesce(created_at + trial, created_at) as started_at,
         coalesce(created_at + trial, created_at) + interval '20 days' - ln(1 - seed.chance(n, 191)) * (array[26, 24, 34, 46, 70])[plan_id] * interval '30 days' as ended_at
  from first
), second as (
  select customer_id, organization_id, n + 5000000000 as n, country_code, least(5, plan_id + 1) as plan_id, ended_at as created_at, null::interval as trial, ended_at as started_at,
         ended_at + interval '40 days' - ln(1 - seed.chance(n, 192)) * 40 * interval '30 days' as ended_at
  from lived, seed.settings where ended_at < as_of and seed.chance(n, 193) < 0.42
), all_of_them as (
  select *, seed.chance(n, 193) < 0.42 as replaced from lived union all select *, false from second
), priced as (
  select s.*, case when ended_at < as_of then ended_at end as ended, case when plan_id > 1 and seed.chance(n, 194) < 0.3 then 1 else 0 end as yearly,
         (case plan_id when 1 then 1 + floor(seed.chance(n, 195) * 2) when 2 then 1 + floor(seed.chance(n, 195) * 5) when 3 then 3 + floor(power(seed.chance(n, 195), 1.5) * 17)
                       when 4 then 5 + floor(power(seed.chance(n, 195), 1.8) * 40) else 12 + floor(power(seed.chance(n, 195), 2.5) * 80) end)::integer as seats,
         case when plan_id > 1 and seed.chance(n, 196) < 0.3 then floor(seed.chance(n, 197) * 4)::integer end as addon,
         case when plan_id > 1 and seed.chance(n, 198) < 0.14 then 1 + floor(seed.chance(n, 199) * 18)::integer end as coupon_id
  from all_of_them s, seed.settings
)
select row_number() over (order by created_at, n) as id, p.*,
       p.seats * f.unit_amount + coalesce(a.unit_amount, 0) as per_period
from priced p join prices f on f.id = (p.plan_id - 1) * 2 + p.yearly + 1 left join prices a on a.id = 11 + p.addon * 2 + p.yearly;
create unique index on seed.subscription (id);
analyze seed.subscription;

insert into subscriptions (id, organization_id, customer_id, plan_id, coupon_id, status, billing_interval, trial_period, created_at, started_at, ended_at, end_reason)
select id, organization_id, customer_id, plan_id, coupon_id,
       case when ended is not null then 'cancelled' when started_at > as_of then 'trialing' when plan_id > 1 and seed.chance(n, 200) < 0.02 then 'past_due' else 'active' end::subscription_status,
       case yearly when 1 then 'year' else 'month' end::billing_interval, trial, created_at, started_at, ended,
       case when ended is null then null when replaced then 'changed plan'
            else (array['too expensive', 'missing feature', 'no longer needed', 'went to a competitor', 'payment failed'])[1 + floor(power(seed.chance(n, 201), 1.2) * 5)::integer] end
from seed.subscription, seed.settings order by id;

insert into subscription_items (id, subscription_id, price_id, quantity, unit_amount, monthly_amount)
select row_number() over (order by s.id, p.id), s.id, p.id, i.quantity, p.unit_amount, round(i.quantity * p.unit_amount / case s.yearly when 1 then 12 else 1 end, 2)
from seed.subscription s,
     lateral (values ((s.plan_id - 1) * 2 + s.yearly + 1, s.seats), (11 + s.addon * 2 + s.yearly, 1)) as i (price_id, quantity)
join prices p on p.id = i.price_id;

-- stage: invoices and their lines
create table seed.invoice as
with due as (
  select s.id as subscription_id, s.organization_id, s.country_code, s.coupon_id, s.per_period, s.n * 40 + i as n, i, s.yearly, issued_at,
         case when seed.chance(s.n * 40 + i, 210) < 0.09 then round((4 + 70 * power(seed.chance(s.n * 40 + i, 211), 2))::numeric, 2) end as overage
  from seed.subscription s, seed.settings,
       generate_series(s.started_at, least(s.ended_at, as_of) - interval '1 second', case s.yearly when 1 then interval '1 year' else interval '1 month' end) with ordinality as g (issued_at, i)
  where s.plan_id > 1
), summed as (
  select d.*, d.per_period + coalesce(overage, 0) as subtotal,
         case when (i - 1) * (1 + 11 * yearly) < c.duration_months then round((d.per_period + coalesce(overage, 0)) * c.percent_off / 100, 2) else 0 end as discount,
         floor(power(seed.chance(n, 212), 2.6) * 26) as days
  from due d left join coupons c on c.id = d.coupon_id
), taxed as (
  select s.*, round((subtotal - discount) * k.tax_rate / 100, 2) as tax, issued_at + days * interval '1 day' + seed.chance(n, 213) * interval '8 hours' as settled_at
  from summed s join countries k on k.code = s.country_code
)
select row_number() over (order by issued_at, n) as id, t.*, subtotal - discount + tax as total,
       (case when seed.chance(n, 214) < 0.006 then 'void' when settled_at < as_of and seed.chance(n, 214) < 0.985 then 'paid'
             when issued_at::date + 14 >= as_of::date then 'open' when issued_at > as_of - interval '75 days' then 'overdue'
             when seed.chance(n, 214) < 0.985 then 'overdue' else 'uncollectible' end)::invoice_status as status
from taxed t, seed.settings;
analyze seed.invoice;

insert into invoices (id, organization_id, subscription_id, number, status, currency_code, subtotal, discount, tax, total, issued_on, due_on, paid_at)
select id, organization_id, subscription_id, 'INV-' || to_char(issued_at, 'YYYY') || '-' || lpad(id::text, 6, '0'), status, 'EUR', subtotal, discount, tax, total, issued_at::date, issued_at::date + 14,
       case when status = 'paid' then settled_at end
from seed.invoice order by id;

insert into invoice_lines (id, invoice_id, subscription_item_id, description, quantity, unit_amount, amount)
select row_number() over (order by invoice_id, item_id), invoice_id, item_id, description, quantity, unit_amount, amount
from (select i.id as invoice_id, s.id as item_id, coalesce(l.name || ': ', '') || p.name as description, s.quantity::numeric, s.unit_amount, s.quantity * s.unit_amount as amount
      from seed.invoice i join subscription_items s using (subscription_id) join prices r on r.id = s.price_id join products p on p.id = r.product_id left join plans l on l.id = r.plan_id
      union all
      select id, null, 'Usage above the plan', round(overage / 0.35, 3), 0.35, overage from seed.invoice where overage is not null) x;

-- stage: payments and refunds
insert into payments (id, organization_id, invoice_id, status, method, country_code, amount, charged_currency, charged_amount, fee, created_at)
select row_number() over (order by p.at, p.invoice_id), p.organization_id, p.invoice_id, p.status, p.method, p.country_code, p.total, k.currency_code,
       round(p.total * r.rate, 2), case when p.status = 'failed' then 0 when p.method = 'card' then p.total * 0.0145 + 0.25 when p.method = 'paypal' then p.total * 0.0249 + 0.35 else 0.35 end, p.at
from (select i.organization_id, i.id as invoice_id, i.total, a.status::payment_status, i.settled_at - a.before as at,
             case when seed.chance(i.subscription_id, 220) < 0.93 then i.country_code else seed.country(seed.chance(i.subscription_id, 221)) end as country_code,
             (case when seed.chance(i.subscription_id, 222) < 0.6 then 'card' when seed.chance(i.subscription_id, 222) < 0.8 then 'sepa_debit'
                   when seed.chance(i.subscription_id, 222) < 0.9 then 'bank_transfer' else 'paypal' end)::payment_method as method
      from seed.invoice i, (values ('succeeded', interval '0', 1.0), ('failed', interval '5 hours', 0.03)) as a (status, before, odds)
      where i.status = 'paid' and seed.chance(i.n, 223) < a.odds) p
join countries k on k.code = p.country_code
join exchange_rates r on r.currency_code = k.currency_code
  and r.valid_from = case when k.currency_code = 'EUR' then (select min(valid_from) from exchange_rates) else date_trunc('month', p.at)::date end;

insert into refunds (id, payment_id, approved_by, amount, reason, created_at)
select seed.uid(p.id, 230), p.id, m.user_id, case when seed.chance(p.id, 231) < 0.5 then p.amount else round(p.amount * (0.1 + 0.6 * seed.chance(p.id, 232))::numeric, 2) end,
       (array['duplicate', 'requested by customer', 'service credit', 'wrong amount'])[1 + floor(seed.chance(p.id, 233) * 4)::integer],
       least(as_of - interval '1 hour', p.created_at + (1 + seed.chance(p.id, 234) * 20) * interval '1 day')
from payments p join seed.member m on m.organization_id = p.organization_id and m.k = 1, seed.settings
where p.status = 'succeeded' and seed.chance(p.id, 235) < 0.022;

-- stage: sessions
create table seed.session as
select s.*, seed.uid(s.n, 240) as id, m.user_id, least(29, floor(-ln(1 - seed.chance(s.n, 241)) * 4.6))::integer + 1 as events
from (select o.id * 100000 + k as n, o.id as organization_id, o.country_code, seed.pick(o.members, f, seed.chance(o.id * 100000 + k, 242)) as k,
             seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 100000 + k) as started_at
      from seed.organization o, generate_series(1, o.sessions) as k, power((k - seed.chance(o.id * 100000 + k, 243)) / o.sessions, 0.6) as f) s
join seed.member m using (organization_id, k);

insert into sessions (id, organization_id, user_id, country_code, ip, user_agent, duration, started_at)
select id, organization_id, user_id, case when seed.chance(n, 250) < 0.86 then country_code when seed.chance(n, 250) < 0.97 then seed.country(seed.chance(n, 251)) end,
       case when seed.chance(n, 252) < 0.9 then '10.0.0.0'::inet + floor(seed.chance(user_id, 253) * 16000000)::bigint else '2001:db8::'::inet + floor(seed.chance(user_id, 254) * 1e15)::bigint end,
       (array['Firefox on Linux', 'Chrome on Windows', 'Chrome on Windows', 'Chrome on macOS', 'Safari on macOS', 'Edge on Windows', 'Safari on iOS', 'Chrome on Android'])[1 + floor(seed.chance(user_id, 255) * 8)::integer],
       floor(events * (20 + 110 * seed.chance(n, 256))) * interval '1 second', started_at
from seed.session order by started_at, n;

-- stage: events, partitioned by month
insert into events (id, organization_id, session_id, user_id, name, properties, occurred_at)
select row_number() over (order by at, n), organization_id, session_id, user_id, name,
       case when session_id is null then jsonb_build_object('status', case when seed.chance(n, 262) < 0.97 then 200 else 429 end, 'ms', 3 + floor(power(seed.chance(n, 263), 4) * 900))
            else jsonb_build_object('ms', 20 + floor(power(seed.chance(n, 263), 3) * 1500)) end, at
from (select s.organization_id, s.id as session_id, s.user_id, s.n * 40 + i as n, least(s.started_at + (i - 1) * (15 + 60 * seed.chance(s.n * 40 + i, 260)) * interval '1 second', as_of - interval '1 second') as at,
             case when i = 1 then 'signed_in' else (array['page_viewed', 'page_viewed', 'page_viewed', 'page_viewed', 'task_updated', 'task_updated', 'task_created', 'comment_added', 'search_run', 'report_opened',
                                                          'ticket_answered', 'file_uploaded', 'export_started'])[1 + floor(seed.chance(s.n * 40 + i, 261) * 13)::integer] end as name
      from seed.session s, seed.settings, generate_series(1, s.events) as i
      union all
      select o.id, null, null, -(o.id * 100000 + k), o.start_at + o.span * power((k - seed.chance(-(o.id * 100000 + k), 264)) / (o.sessions * 0.5), 0.6) * interval '1 second', 'api_called'
      from seed.organization o, generate_series(1, (o.sessions * 0.5)::integer) as k where o.plan_id > 1 and k <= o.sessions * 0.5) e;

-- stage: audit log
insert into audit_log (id, organization_id, actor_id, action, subject, ip, changes, occurred_at)
select row_number() over (order by a.at, a.n), a.organization_id, m.user_id, a.action,
       case split_part(a.action, '.', 1) when 'user' then 'user ' || m.user_id else split_part(a.action, '.', 1) || ' ' || 1 + floor(seed.chance(a.n, 271) * 4000) end,
       case when seed.chance(a.n, 272) < 0.95 then '10.0.0.0'::inet + floor(seed.chance(m.user_id, 253) * 16000000)::bigint end,
       case when split_part(a.action, '.', 2) = 'updated' then jsonb_build_object('field', (array['name', 'status', 'owner', 'due date'])[1 + floor(seed.chance(a.n, 273) * 4)::integer]) end, a.at
from (select o.id * 100000 + k as n, o.id as organization_id, seed.pick(o.members, f, seed.chance(o.id * 100000 + k, 274)) as k,
             (array['user.signed_in', 'user.signed_in', 'project.updated', 'task.updated', 'task.updated', 'task.deleted', 'export.downloaded', 'api_key.created', 'invoice.updated', 'role.updated',
                    'customer.updated', 'customer.created'])[1 + floor(seed.chance(o.id * 100000 + k, 275) * 12)::integer] as action,
             seed.work_time(o.start_at + o.span * f * interval '1 second', o.id * 100000 + k + 50000) as at
      from seed.organization o, generate_series(1, o.audits) as k, power((k - seed.chance(o.id * 100000 + k, 276)) / o.audits, 0.62) as f) a
join seed.member m using (organization_id, k);

-- stage: the flaws of a real database
-- No owner: rows that were written without one.
update tickets set organization_id = null where id % 1009 = 4;
update tasks set project_id = null, parent_task_id = null where id % 2003 = 2;
update events set organization_id = null where session_id is null and id % 211 = 1;
update audit_log set organization_id = null where id % 503 = 6;
-- Orphans: the parent was removed, the row stayed.
update audit_log set organization_id = 9001 + id % 7 where id % 2003 = 5;
update comments set task_id = 10000000 + id where id % 2003 = 9;
-- Contradictions: two keys of one row lead to two organizations.
update events set organization_id = 1 + (organization_id + 36) % 200 where session_id is not null and id % 5003 = 3;
update payments set organization_id = 1 + (organization_id + 58) % 200 where id % 2003 = 11;
update invoice_lines l
set subscription_item_id = (
  select o.id from subscription_items o join subscriptions s on s.id = o.subscription_id
  where s.organization_id <> i.organization_id and o.id > l.id * 7919 % 9000 order by o.id limit 1)
from invoices i where i.id = l.invoice_id and l.subscription_item_id is not null and l.id % 1801 = 7;
