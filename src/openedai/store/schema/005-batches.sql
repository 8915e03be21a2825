create table batches(
  id text primary key,
  record text not null
);
create table batch_lines(
  batch text not null,
  line bigint not null,
  succeeded bigint not null,
  result text not null,
  primary key(batch, line)
)
