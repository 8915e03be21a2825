create table assistants(
  id text primary key,
  owner text not null,
  created_at double precision not null,
  record text not null
);
create index assistants_by_owner on assistants(owner, id);
create table threads(
  id text primary key,
  owner text not null,
  created_at double precision not null,
  positions bigint not null,
  record text not null
);
create table thread_messages(
  thread text not null,
  position bigint not null,
  id text not null,
  run text,
  record text not null,
  primary key(thread, position)
);
create unique index thread_messages_by_id on thread_messages(id);
create table runs(
  id text primary key,
  thread text not null,
  owner text not null,
  created_at double precision not null,
  expires_at double precision not null,
  status text not null,
  job text not null,
  streamed bigint not null,
  record text not null
);
create index runs_by_thread on runs(thread, id);
create index runs_by_expiry on runs(status, expires_at);
create table run_steps(
  thread text not null,
  position bigint not null,
  id text not null,
  run text not null,
  record text not null,
  primary key(thread, position)
);
create unique index run_steps_by_id on run_steps(id);
create index run_steps_by_run on run_steps(run, position);
create table run_events(
  run text not null,
  last bigint not null,
  frames text not null,
  primary key(run, last)
)
