create table conversations(
  id text primary key,
  owner text not null,
  created_at double precision not null,
  metadata text not null
);
create table conversation_items(
  conversation text not null,
  position bigint not null,
  id text not null,
  item text not null,
  primary key(conversation, position)
);
create unique index conversation_items_by_id on conversation_items(id, conversation)
