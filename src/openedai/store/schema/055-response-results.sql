alter table responses add column hidden text not null default ''
