-- What operators look at: figures of a span of time, and when Stripe was last heard of.

-- The log is written in the order of time, so that a summary of each stretch of it is enough to find
-- a span; it costs next to nothing when an event is written.
create index concurrently events_by_time
    on headstart.session_events using brin (at) with (autosummarize = on);
create index concurrently stripe_events_by_time on headstart.stripe_events (received_at);

-- Both views are of what happened here: what was taken over from an older system is left out. They
-- show figures to whoever may make figures, although the events they are made from hold ids of
-- payments; so they read with their owner's rights and say themselves who sees anything: an operator
-- with claims, and the role for reports, which needs none.

-- A favourite's turn: from the moment the request was held for them to whatever ended that.
create view priority_offers with (security_barrier) as
select offer.request_id,
       offer.version,
       r.plan_code,
       (offer.payload ->> 'mechanic')::uuid as mechanic_id,
       offer.at as offered_at,
       extract(epoch from (offer.payload ->> 'window')::interval)::double precision as window_s,
       ending.at as ended_at,
       case
           when ending.kind is null then 'running'
           when ending.kind = 'reservation_ended' then case
               when ending.payload ->> 'reason' = 'no_response' and not witnessed.there
                   then 'not_there' else ending.payload ->> 'reason' end
           when ending.kind = 'request_cancelled' then 'cancelled'
           when ending.payload ->> 'mechanic' = offer.payload ->> 'mechanic'
               and ending.actor not like 'operator%' then 'accepted'
           else 'operator'  -- who gave it to somebody
       end as ending
from session_events offer
join session_requests r on r.id = offer.request_id
left join lateral (
    select e.at, e.kind, e.payload, e.actor
    from session_events e
    where e.request_id = offer.request_id and e.version > offer.version
      and e.kind in ('request_matched', 'reservation_ended', 'request_cancelled')
    order by e.version
    limit 1) ending on true
cross join lateral (  -- from before attendance was kept nobody knows
    select offer.at < coalesce((select min(since) from attendance), 'infinity') or exists (
        select from attendance a
        where a.mechanic_id = (offer.payload ->> 'mechanic')::uuid
          and a.since <= coalesce(ending.at, 'infinity') and a.seen_until >= offer.at) as there
    ) witnessed
where offer.kind = 'request_reserved' and offer.actor <> 'import'
  and ((select headstart.person('operator')) is not null
       or pg_has_role('headstart_reporting', 'usage'));
comment on view priority_offers is
    'Each turn of a favourite, and what ended it; silence of somebody who was not there is told apart.';

-- A request, from its beginning to where it stands now.
create view request_outcomes with (security_barrier) as
select r.id as request_id,
       r.plan_code,
       beginning.at as requested_at,
       r.priority_notified_at is not null as asked_first,
       r.fallback_broadcast_at as fell_back_at,
       r.fallback_reason,
       matched.at as first_matched_at,
       coalesce(matched.stage = 'reserved', false) as matched_first,
       case when r.status = 'completed' then 'matched'
            when r.status = 'pending' then r.stage
            else r.status end as outcome
from session_events beginning
join session_requests r on r.id = beginning.request_id
left join lateral (
    select e.at, e.payload ->> 'stage' as stage
    from session_events e
    where e.request_id = beginning.request_id and e.kind = 'request_matched'
    order by e.version
    limit 1) matched on true
where beginning.kind = 'session_requested' and beginning.actor <> 'import'
  and ((select headstart.person('operator')) is not null
       or pg_has_role('headstart_reporting', 'usage'));
comment on view request_outcomes is 'Each request, when it was first matched, and what became of it.';

grant select on priority_offers, request_outcomes to headstart_operator, headstart_reporting;
grant execute on function person to headstart_reporting;
