create index files_by_owner on files(owner, id);
alter table batches add column owner text not null default '';
create index batches_by_owner on batches(owner, id);
alter table fine_tuning_jobs add column owner text not null default '';
create index fine_tuning_jobs_by_owner on fine_tuning_jobs(owner, id);
alter table tuned_models add column owner text not null default '';
create index tuned_models_by_owner on tuned_models(owner, created_at)
