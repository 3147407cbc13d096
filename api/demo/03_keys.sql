-- Keys, foreign keys and indexes of the demo source, added after the load; statistics at the end.

-- stage: primary keys
set time zone 'UTC';
set maintenance_work_mem = '128MB';
set synchronous_commit = off;
alter table currencies add primary key (code);
alter table countries add primary key (code);
alter table exchange_rates add primary key (currency_code, valid_from);
alter table plans add primary key (id), add unique (code);
alter table products add primary key (id), add unique (sku);
alter table prices add primary key (id);
alter table coupons add primary key (id), add unique (code);
alter table feature_flags add primary key (id), add unique (name);
alter table schema_migrations add primary key (version);
alter table organizations add primary key (id), add unique (slug), add unique (external_id);
alter table users add primary key (id), add unique (email);
alter table memberships add primary key (id), add unique (organization_id, user_id);
alter table invitations add primary key (id);
alter table api_keys add primary key (id), add unique (token_hash);
alter table organization_features add primary key (organization_id, feature_flag_id);
alter table teams add primary key (id);
alter table projects add primary key (id);
alter table project_members add primary key (project_id, user_id);
alter table tasks add primary key (id);
alter table comments add primary key (id);
alter table tickets add primary key (id);
alter table ticket_messages add primary key (id);
alter table customers add primary key (id);
alter table subscriptions add primary key (id);
alter table subscription_items add primary key (id);
alter table invoices add primary key (id), add unique (number);
alter table invoice_lines add primary key (id);
alter table payments add primary key (id);
alter table refunds add primary key (id);
alter table sessions add primary key (id);
alter table events add primary key (id, occurred_at);
alter table audit_log add primary key (id);

-- stage: foreign keys of reference, people and access
alter table countries add foreign key (currency_code) references currencies;
alter table exchange_rates add foreign key (currency_code) references currencies;
alter table prices add foreign key (product_id) references products, add foreign key (plan_id) references plans, add foreign key (currency_code) references currencies;
alter table organizations add foreign key (parent_id) references organizations, add foreign key (plan_id) references plans, add foreign key (country_code) references countries;
alter table users add foreign key (country_code) references countries;
alter table memberships add foreign key (organization_id) references organizations, add foreign key (user_id) references users;
alter table invitations add foreign key (organization_id) references organizations, add foreign key (invited_by) references users;
alter table api_keys add foreign key (organization_id) references organizations, add foreign key (created_by) references users;
alter table organization_features add foreign key (organization_id) references organizations, add foreign key (feature_flag_id) references feature_flags;

-- stage: foreign keys of work and support
alter table teams add foreign key (organization_id) references organizations, add foreign key (lead_id) references users;
alter table projects add foreign key (organization_id) references organizations, add foreign key (team_id) references teams, add foreign key (lead_id) references users;
alter table project_members add foreign key (project_id) references projects, add foreign key (user_id) references users;
alter table tasks add foreign key (project_id) references projects, add foreign key (parent_task_id) references tasks,
  add foreign key (created_by) references users, add foreign key (assignee_id) references users;
alter table comments add foreign key (task_id) references tasks not valid, add foreign key (author_id) references users;
alter table tickets add foreign key (organization_id) references organizations, add foreign key (requester_id) references users, add foreign key (assignee_id) references users;
alter table ticket_messages add foreign key (ticket_id) references tickets, add foreign key (author_id) references users;

-- stage: foreign keys of billing
alter table customers add foreign key (organization_id) references organizations, add foreign key (country_code) references countries;
alter table subscriptions add foreign key (organization_id) references organizations, add foreign key (customer_id) references customers,
  add foreign key (plan_id) references plans, add foreign key (coupon_id) references coupons;
alter table subscription_items add foreign key (subscription_id) references subscriptions, add foreign key (price_id) references prices;
alter table invoices add foreign key (organization_id) references organizations, add foreign key (subscription_id) references subscriptions, add foreign key (currency_code) references currencies;
alter table invoice_lines add foreign key (invoice_id) references invoices, add foreign key (subscription_item_id) references subscription_items;
alter table payments add foreign key (organization_id) references organizations, add foreign key (invoice_id) references invoices,
  add foreign key (country_code) references countries, add foreign key (charged_currency) references currencies;
alter table refunds add foreign key (payment_id) references payments, add foreign key (approved_by) references users;

-- stage: foreign keys of activity
alter table sessions add foreign key (organization_id) references organizations, add foreign key (user_id) references users, add foreign key (country_code) references countries;
alter table events add foreign key (organization_id) references organizations, add foreign key (session_id) references sessions, add foreign key (user_id) references users;
alter table audit_log add foreign key (actor_id) references users;

-- stage: indexes, sequences and statistics
create index on tasks (project_id);
create index on comments (task_id);
create index on ticket_messages (ticket_id);
create index on tickets (organization_id, created_at);
create index on invoices (organization_id, issued_on);
create index on invoice_lines (invoice_id);
create index on payments (invoice_id);
create index on sessions (organization_id, started_at);
create index on events (organization_id, occurred_at);
do $$
declare
  t record;
begin
  for t in select attrelid::regclass as name from pg_attribute a join pg_class c on c.oid = attrelid
           where attidentity = 'd' and attname = 'id' and relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace
  loop
    execute format('select setval(pg_get_serial_sequence(%L, ''id''), max(id)) from %s', t.name, t.name);
  end loop;
end $$;
drop schema seed cascade;
analyze;
