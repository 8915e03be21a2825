create table responses(
  id text primary key,
  owner text not null,
  created_at double precision not null,
  expires_at double precision,
  status text not null,
  background bigint not null,
  streamed bigint not null,
  previous text,
  conversation text,
  response text not null,
  output text not null,
  input text not null
);
create index responses_by_previous on responses(previous);
create index responses_by_expiry on responses(expires_at);
create table response_items(
  id text not null,
  response text not null,
  primary key(id, response)
);
create index response_items_by_response on response_items(response);
create table response_events(
  response text not null,
  last bigint not null,
  frames text not null,
  primary key(response, last)
)
