-- The log counts transactions, and goes on counting where it ended when a dump of it is restored into a
-- new server, which counts its own from the beginning.

create table log_offset (
    only_row boolean primary key default true check (only_row),
    ahead bigint not null default 0 check (ahead >= 0)
);
comment on table log_offset is
    'How much higher the log counts transactions than this server does. 0, but after a restore.';
insert into log_offset default values;

create function log_number(of_this_server xid8) returns xid8 language sql stable as $$
    select (of_this_server::text::bigint + (select ahead from headstart.log_offset))::text::xid8
$$;
comment on function log_number is 'A transaction of this server as the log counts it.';

alter table session_events
    alter column xid set default headstart.log_number(pg_current_xact_id());

alter table log_offset enable row level security;
alter table log_offset force row level security;
create policy service on log_offset for update to headstart_service using (true) with check (true);
create policy whoever_writes_events on log_offset for select using (true);
grant select, update (ahead) on log_offset to headstart_service;
revoke execute on function log_number from public;
grant execute on function log_number to headstart_service;
