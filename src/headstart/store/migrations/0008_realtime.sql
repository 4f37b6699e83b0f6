-- How far every listener of the feed has proved to have heard, and which processes are alive.

create table realtime_processes (
    id uuid primary key,
    alive_until timestamptz not null
);
comment on table realtime_processes is 'Of a process that is gone nothing is held any more.';

create table realtime_bookmarks (
    id uuid primary key default gen_random_uuid(),
    role text not null,
    person uuid not null,
    topic text not null,
    xid xid8 not null,
    event_id bigint not null,
    since_ms bigint,
    held_by uuid,
    resumed boolean not null default false,
    moved_at timestamptz not null,
    constraint listener_role_is_known check (role in ('customer', 'mechanic', 'operator'))
) with (fillfactor = 70);
comment on table realtime_bookmarks is 'One for each device that listens: everything up to here has arrived there.';
comment on column realtime_bookmarks.since_ms is 'The replay it asked for when it joined last.';
comment on column realtime_bookmarks.held_by is 'The process that serves it now; null: it may come back.';
comment on column realtime_bookmarks.resumed is 'Another one went on from here, and this was not heard of since.';

create index bookmarks_of_a_person on realtime_bookmarks (person, role, topic);

alter table presence add column meta jsonb not null default '{}';
comment on column presence.meta is 'What the mechanic''s client wants others to see; an allow-list.';


-- How far anybody has heard is nobody's business but the service's.
alter table realtime_processes enable row level security;
alter table realtime_processes force row level security;
create policy service on realtime_processes to headstart_service using (true) with check (true);
grant select, insert, update (alive_until), delete on realtime_processes to headstart_service;

alter table realtime_bookmarks enable row level security;
alter table realtime_bookmarks force row level security;
create policy service on realtime_bookmarks to headstart_service using (true) with check (true);
grant select, insert, update (xid, event_id, since_ms, held_by, resumed, moved_at), delete
    on realtime_bookmarks to headstart_service;

grant update (meta) on presence to headstart_service;
