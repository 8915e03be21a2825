create table projects(
  id text primary key,
  name text not null,
  created_at double precision not null,
  archived_at double precision
);
create table api_keys(
  id text primary key,
  digest text not null unique,
  hint text not null,
  project text not null,
  service_account text,
  name text not null,
  owner text not null,
  admin bigint not null,
  models text,
  endpoints text,
  created_at double precision not null,
  expires_at double precision,
  revoked_at double precision,
  last_used_at double precision
);
create index api_keys_by_project on api_keys(project, id);
create table service_accounts(
  id text primary key,
  project text not null,
  name text not null,
  role text not null,
  created_at double precision not null
);
create index service_accounts_by_project on service_accounts(project, id)
