create table files(
  id text primary key,
  purpose text not null,
  filename text not null,
  bytes bigint not null,
  created_at double precision not null,
  expires_at double precision,
  owner text not null
);
create index files_by_purpose on files(purpose, id);
create index files_by_expiry on files(expires_at);
create table file_usage(
  owner text primary key,
  bytes bigint not null
)
