create table limit_counts(
  counter text primary key,
  state text not null,
  changed_at double precision not null
);
create index limit_counts_by_change on limit_counts(changed_at);
create table project_limits(
  project text not null,
  model text not null,
  limits text not null,
  primary key(project, model)
)
