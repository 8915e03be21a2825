alter table jobs add column server text;
alter table jobs add column server_until double precision
