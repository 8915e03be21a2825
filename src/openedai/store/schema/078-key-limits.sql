alter table api_keys add column limits text;
alter table projects add column storage_bytes bigint
