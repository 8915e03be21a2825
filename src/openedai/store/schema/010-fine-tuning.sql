create table fine_tuning_jobs(
  id text primary key,
  status text not null,
  body text not null
);
create table fine_tuning_events(
  id text primary key,
  job text not null,
  step bigint not null,
  created_at double precision not null,
  body text not null
);
create index fine_tuning_events_by_job on fine_tuning_events(job, id);
create table fine_tuning_checkpoints(
  id text primary key,
  job text not null,
  step bigint not null,
  created_at double precision not null,
  body text not null
);
create index fine_tuning_checkpoints_by_job on fine_tuning_checkpoints(job, id);
create table tuned_models(
  name text primary key,
  base text not null,
  job text not null,
  content text not null,
  created_at double precision not null
)
