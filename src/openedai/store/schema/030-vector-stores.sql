create table vector_stores(
  id text primary key,
  owner text not null,
  created_at double precision not null,
  last_active_at double precision not null,
  expires_at double precision,
  revision bigint not null,
  record text not null
);
create index vector_stores_by_owner on vector_stores(owner, id);
create index vector_stores_by_expiry on vector_stores(expires_at);
create table vector_store_files(
  store text not null,
  file text not null,
  entry text not null,
  status text not null,
  batch text,
  bytes bigint not null,
  revision bigint not null,
  segment text,
  record text not null,
  primary key(store, file)
);
create index vector_store_files_by_file on vector_store_files(file);
create index vector_store_files_by_entry on vector_store_files(store, entry);
create index vector_store_files_by_revision on vector_store_files(store, revision);
create index vector_store_files_by_batch on vector_store_files(batch, entry);
create table vector_store_removals(
  store text not null,
  file text not null,
  revision bigint not null,
  primary key(store, file)
);
create table vector_store_batches(
  id text primary key,
  store text not null,
  created_at double precision not null,
  cancelled bigint not null
);
create index vector_store_batches_by_store on vector_store_batches(store)
