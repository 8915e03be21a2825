create table containers(
  id text primary key,
  owner text not null,
  name text not null,
  created_at double precision not null,
  last_active_at double precision not null,
  expires_at double precision not null,
  status text not null,
  record text not null
);
create index containers_by_owner on containers(owner, id);
create index containers_by_expiry on containers(status, expires_at);
create table container_files(
  id text primary key,
  container text not null,
  path text not null,
  content text not null,
  bytes bigint not null,
  created_at double precision not null,
  source text not null,
  unique(container, path)
)
