-- hold_bookmark
-- Take the earliest bookmark that nobody holds; else make one where the earliest stands that is
-- held, or at the end of the log for somebody who was never here. Real time: this is about processes.
with known as (
    select id, xid, event_id, moved_at, since_ms,
           held_by is null
           or moved_at < clock_timestamp() - :trusted_for::interval
           or not exists (
               select from headstart.realtime_processes process
               where process.id = held_by and process.alive_until > clock_timestamp()) as free
    from headstart.realtime_bookmarks
    where person = :person and role = :role and topic = :topic
    order by xid, event_id
    for update
), chosen as (
    select * from known where free order by xid, event_id limit 1
), source as (
    select * from known where not exists (select from chosen) order by xid, event_id limit 1
), place as (
    select xid, id from headstart.session_events
    where xid < headstart.log_number(pg_snapshot_xmin(pg_current_snapshot()))
    order by xid desc, id desc limit 1
), taken as (
    update headstart.realtime_bookmarks bookmark
    set held_by = :process, since_ms = :since_ms, resumed = false, moved_at = clock_timestamp()
    from chosen where bookmark.id = chosen.id
), continued as (
    update headstart.realtime_bookmarks bookmark set resumed = true
    from source where bookmark.id = source.id
), made as (
    insert into headstart.realtime_bookmarks
        (role, person, topic, xid, event_id, since_ms, held_by, moved_at)
    select :role, :person, :topic, coalesce(source.xid, place.xid, '0'::xid8),
           coalesce(source.event_id, place.id, 0), :since_ms, :process, clock_timestamp()
    from (select) one left join source on true left join place on true
    where not exists (select from chosen)
    returning id, xid, event_id
)
select coalesce(made.id, chosen.id) as id,
       coalesce(made.xid, chosen.xid) as xid,
       coalesce(made.event_id, chosen.event_id) as event_id,
       headstart.clock() as now,
       not exists (select from known) as new,
       coalesce(coalesce(chosen.moved_at, source.moved_at)
                < clock_timestamp() - :kept_for::interval, false) as stale,
       chosen.id is not null and chosen.since_ms is not distinct from :since_ms as same_wish
from (select) one left join made on true left join chosen on true left join source on true;

-- move_bookmarks
-- These were heard up to there; whoever is heard of is no duplicate of another.
update headstart.realtime_bookmarks bookmark
set xid = heard.xid, event_id = heard.event_id, resumed = false, moved_at = clock_timestamp()
from (
    select unnest(:ids::uuid[]) as id, unnest(:xids::text[])::xid8 as xid,
           unnest(:event_ids::bigint[]) as event_id
) heard
where bookmark.id = heard.id and (bookmark.xid, bookmark.event_id) <= (heard.xid, heard.event_id);

-- let_go_of_bookmarks
-- Their listeners are gone. Where another one went on meanwhile, nobody will come back.
with superfluous as (
    delete from headstart.realtime_bookmarks
    where id = any (:ids::uuid[]) and held_by = :process and resumed
)
update headstart.realtime_bookmarks set held_by = null
where id = any (:ids::uuid[]) and held_by = :process and not resumed;

-- forget_bookmarks
-- Their listeners have left for good.
delete from headstart.realtime_bookmarks where id = any (:ids::uuid[]) and held_by = :process;

-- forget_old_bookmarks
-- Nobody came back for them.
with processes as (
    delete from headstart.realtime_processes
    where alive_until < clock_timestamp() - :older_than::interval
)
delete from headstart.realtime_bookmarks
where moved_at < clock_timestamp() - :older_than::interval;

-- process_alive
-- This process still serves its listeners. Real time, whatever the test clock says.
insert into headstart.realtime_processes (id, alive_until)
values (:process, clock_timestamp() + :lease::interval)
on conflict (id) do update set alive_until = excluded.alive_until;

-- place_at
-- The last event that is surely older; events of one moment may stand in any order, and what was
-- taken over from an older system stands long after its time.
select xid, id from headstart.session_events
where at < to_timestamp(:since_ms::double precision / 1000) - interval '1 minute'
  and actor <> 'import'
order by xid desc, id desc limit 1;

-- standing_offers
-- The events behind what is reserved for this mechanic now, with the card of each.
select e.xid, e.id, e.request_id, e.version, e.kind, e.at, e.payload, e.eligible,
       r.customer_id, headstart.clock() as now, to_jsonb(card) as card
from headstart.session_requests r
join headstart.session_events e
    on e.request_id = r.id and e.kind in ('request_reserved', 'window_shortened', 'window_extended')
left join headstart.offer_cards card
    on card.session_id = e.request_id and e.kind = 'request_reserved'
where r.status = 'pending' and r.reserved_for = :mechanic_id
  and e.version >= (
      select max(latest.version) from headstart.session_events latest
      where latest.request_id = r.id and latest.kind = 'request_reserved')
order by e.xid, e.id
limit :limit;

-- put_presence
-- Go on or off duty over the socket, with what others may see.
insert into headstart.presence (mechanic_id, on_duty, lease_until, last_seen, meta)
select :mechanic_id, :on_duty, now + :lease::interval, now, :meta::jsonb
from (select headstart.clock() as now) seen
on conflict (mechanic_id) do update
set on_duty = excluded.on_duty, lease_until = excluded.lease_until, last_seen = excluded.last_seen,
    meta = excluded.meta;

-- renew_presence
-- Whoever is on duty and answers pings is still there. Nobody goes on duty by that.
update headstart.presence
set lease_until = now + :lease::interval, last_seen = now
from (select headstart.clock() as now) seen
where mechanic_id = any (:mechanics::uuid[]) and on_duty;

-- watch_presence
-- Somebody is here to take heartbeats, until further notice or for as long as this.
update headstart.presence_watch
set since = case when until < clock_timestamp() then clock_timestamp() else since end,
    until = clock_timestamp() + :patience::interval;

-- everybody_present
-- Approved mechanics who are online, and what others may see of them.
select p.mechanic_id, p.meta
from headstart.presence p
join headstart.mechanics m on m.id = p.mechanic_id and m.status = 'approved'
where p.on_duty and p.lease_until > (select headstart.clock())
order by p.mechanic_id limit :limit;

-- begin_publication
-- From here on the log is published under this name; nothing when that began before.
insert into headstart.publications (name, xid, event_id, held_until, moved_at)
values (:name, :xid::text::xid8, :event_id, clock_timestamp(), clock_timestamp())
on conflict (name) do nothing;

-- claim_publication
-- Go on where it stopped, unless another process is at it.
update headstart.publications
set held_by = :process, held_until = clock_timestamp() + :lease::interval
where name = :name and (held_by = :process or held_by is null or held_until < clock_timestamp())
returning xid, event_id;

-- move_publication
-- Everything up to here was published by this process, which goes on.
update headstart.publications
set xid = greatest(xid, :xid::text::xid8),
    event_id = case when (xid, event_id) < (:xid::text::xid8, :event_id::bigint)
        then :event_id::bigint else event_id end,
    held_until = clock_timestamp() + :lease::interval, moved_at = clock_timestamp()
where name = :name and held_by = :process
returning name;
