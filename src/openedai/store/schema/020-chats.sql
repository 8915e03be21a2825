create table stored_chats(
  id text primary key,
  owner text not null,
  model text not null,
  created_at double precision not null,
  metadata text not null,
  completion text not null,
  messages text not null
);
create index stored_chats_by_owner on stored_chats(owner, id);
create table stored_chat_metadata(
  digest text not null,
  chat text not null,
  primary key(digest, chat)
);
create index stored_chat_metadata_by_chat on stored_chat_metadata(chat)
