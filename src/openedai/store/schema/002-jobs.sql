create table jobs(
  id text primary key,
  kind text not null,
  state text not null,
  input text not null,
  progress text,
  wanted text,
  reason text,
  run_at double precision not null,
  attempt bigint not null,
  attempts bigint not null,
  owner text,
  fence bigint not null,
  lease_until double precision,
  ended_at double precision
);
create index jobs_by_time on jobs(state, run_at);
create index jobs_by_lease on jobs(state, lease_until)
