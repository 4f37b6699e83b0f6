-- When it is certain that a mechanic is offline; and how far a foreign project has been told the news.

-- Presence -------------------------------------------------------------------------------------

create table presence_watch (
    only_row boolean primary key default true check (only_row),
    since timestamptz not null,
    until timestamptz not null
);
comment on table presence_watch is
    'Since when, without a gap, somebody was there to take heartbeats. Real time, not the test clock''s.';
comment on column presence_watch.until is 'In the past: nobody takes heartbeats now.';
insert into presence_watch values (true, clock_timestamp(), clock_timestamp());

create function is_online(on_duty boolean, lease_until timestamptz, last_seen timestamptz)
    returns boolean language sql volatile as $$
    select case
        when on_duty is null then null
        when not on_duty then false
        when lease_until > headstart.clock() then true
        -- Silence proves something only if somebody listened for a whole lease of it.
        when (select w.until > clock_timestamp() and lease_until - last_seen <= least(
                  headstart.clock() - last_seen, clock_timestamp() - w.since)
              from headstart.presence_watch w) then false
    end
$$;
comment on function is_online is
    'Is the mechanic with this lease online? Null when it cannot be known: never a false "offline".';


-- Publishing elsewhere -------------------------------------------------------------------------

create table publications (
    name text primary key,
    xid xid8 not null,
    event_id bigint not null,
    held_by uuid,
    held_until timestamptz not null,
    moved_at timestamptz not null
);
comment on table publications is
    'How far the log was published elsewhere, and which process does it. Real time.';
comment on column publications.held_until is 'From then on another process may take over.';


-- The walls: who may ask for a presence may ask what it proves; the rest is the service's --------

alter table presence_watch enable row level security;
alter table presence_watch force row level security;
create policy service on presence_watch to headstart_service using (true) with check (true);
grant select, update (since, until) on presence_watch to headstart_service;
create policy customer on presence_watch for select to headstart_customer
    using ((select headstart.person('customer')) is not null);
create policy operator on presence_watch for select to headstart_operator
    using ((select headstart.person('operator')) is not null);
create policy reporting on presence_watch for select to headstart_reporting using (true);
grant select on presence_watch to headstart_customer, headstart_operator, headstart_reporting;

alter table publications enable row level security;
alter table publications force row level security;
create policy service on publications to headstart_service using (true) with check (true);
grant select, insert, update (xid, event_id, held_by, held_until, moved_at)
    on publications to headstart_service;

revoke execute on function is_online from public;
grant execute on function is_online to headstart_service, headstart_customer, headstart_operator,
    headstart_reporting;
