-- log_end
-- The last place that can no longer be overtaken by a transaction still running.
select xid, id
from headstart.session_events
where xid < headstart.log_number(pg_snapshot_xmin(pg_current_snapshot())) and actor <> 'import'
order by xid desc, id desc
limit 1;

-- count_on
-- After a restore into a new server, go on counting transactions where the log ends.
update headstart.log_offset
set ahead = greatest(ahead, newest.xid::text::bigint + 1
                            - pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
from (select xid from headstart.session_events order by xid desc, id desc limit 1) newest
where newest.xid >= headstart.log_number(pg_snapshot_xmax(pg_current_snapshot()))
returning ahead;

-- log_stall
-- How long the oldest event has been waiting to be told because a transaction that began before it,
-- anywhere in the server, still runs; null when none is waiting.
select extract(epoch from headstart.clock() - min(at))::double precision
from headstart.session_events
where xid >= headstart.log_number(pg_snapshot_xmin(pg_current_snapshot())) and actor <> 'import';

-- log_after
-- Events after a place, in an order that no late commit can change, with the card of each offer.
-- What was taken over from an older system is no news.
select e.xid, e.id, e.request_id, e.version, e.kind, e.at, e.payload, e.eligible,
       r.customer_id, headstart.clock() as now, to_jsonb(card) as card
from headstart.session_events e
join headstart.session_requests r on r.id = e.request_id
left join headstart.offer_cards card
    on card.session_id = e.request_id and e.kind in ('request_opened', 'request_reserved')
where (e.xid, e.id) > (:xid::text::xid8, :id::bigint)
  and e.xid < headstart.log_number(pg_snapshot_xmin(pg_current_snapshot()))
  and e.actor <> 'import'
order by e.xid, e.id
limit :limit;

-- approved_among
-- Which of these mechanics may be told anything at all.
select id from headstart.mechanics where status = 'approved' and id = any (:mechanics::uuid[]);

-- unapproved
-- Everybody who may be told nothing: the few beside those who may, so that no list goes out.
select id from headstart.mechanics where status <> 'approved';

-- act_for
-- Whose eyes the rest of this transaction has.
select set_config('role', :role, true), set_config('request.jwt.claims', :claims, true);

-- offers
-- What the mechanic who asks may accept now: reserved for them first, then what is open to everybody.
select to_jsonb(card) as card
from headstart.offers_to_me(:limit::integer) mine
join headstart.offer_cards card on card.session_id = mine.session_id
order by mine.place;

-- job
-- The request that the mechanic who asks is matched with now.
select to_jsonb(card) as card
from headstart.offer_cards card
where card.session_id = (select headstart.my_job());

-- customer_view
-- A request as its customer may see it.
select v.* from headstart.customer_requests v where v.session_id = :id;

-- requests
-- The latest requests of the customer who asks.
select v.* from headstart.customer_requests v
where v.customer_id = headstart.person('customer')
order by v.created_at desc limit :limit;

-- offer_card
-- One request as a mechanic may see it.
select to_jsonb(card) as card from headstart.offer_cards card where card.session_id = :id;

-- messages
-- What the customer who asks was told of their latest requests: the turns of their story.
select e.request_id, e.version, e.kind, e.at, e.payload
from headstart.session_events e
where e.request_id in (
        select r.id from headstart.session_requests r
        where r.customer_id = headstart.person('customer')
        order by r.created_at desc limit :limit)
  and e.kind in ('reservation_ended', 'request_opened', 'request_matched', 'match_released',
                 'session_completed', 'request_cancelled', 'request_unfilled')
  and (e.kind <> 'request_opened' or e.payload ->> 'fallback' is not null)
order by e.at desc, e.version desc limit :limit;

-- history
-- All events of one request, in order.
select version, kind, at, actor, round, payload, cardinality(eligible) as eligible
from headstart.session_events
where request_id = :id
order by version;

-- reasons
-- Why operators did what they did to one request, by the event that came of it.
select version, reason from headstart.session_events
where request_id = :id and reason is not null;

-- stored_request
-- The row itself, for operators.
select r.*, headstart.clock() as now from headstart.session_requests r where r.id = :id;
