create table blobs(
  key text primary key,
  holder text not null,
  position bigint not null,
  size bigint not null
);
create index blobs_by_holder on blobs(holder, position)
