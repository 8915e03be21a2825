create table uploads(
  id text primary key,
  status text not null,
  purpose text not null,
  filename text not null,
  bytes bigint not null,
  created_at double precision not null,
  expires_at double precision not null,
  file_seconds double precision,
  file_id text,
  owner text not null
);
create index uploads_by_expiry on uploads(status, expires_at);
create table upload_parts(
  id text primary key,
  upload_id text not null,
  bytes bigint not null,
  created_at double precision not null
);
create index upload_parts_by_upload on upload_parts(upload_id)
