-- read_requests
-- Requests with the facts about the mechanics they concern and the clock, all of one snapshot.
-- Whoever writes on the strength of this names the version or holds the lock, so that the clock
-- is never older than the state it judges.
select r.*, seen.now,
       (
           select jsonb_object_agg(m.id, jsonb_build_object(
               'approved', m.approved,
               'busy', m.busy,
               'online', coalesce(m.online_until > seen.now, false),
               'favorite', exists (
                   select from headstart.favorites f
                   where f.customer_id = r.customer_id and f.mechanic_id = m.id)))
           from headstart.mechanic_facts m
           where m.id = any (r.chain || :concerned::uuid[])
       ) as facts,
       exists (
           select from headstart.session_events e
           where e.request_id = r.id and e.command_key = :command_key::text
       ) as done_before
from headstart.session_requests r, (select headstart.clock() as now) seen
where r.id = any (:ids::uuid[]);

-- read_facts
-- The clock, and the facts for a request that does not exist yet.
select seen.now,
       (
           select jsonb_object_agg(m.id, jsonb_build_object(
               'approved', m.approved,
               'busy', m.busy,
               'online', coalesce(m.online_until > seen.now, false),
               'favorite', exists (
                   select from headstart.favorites f
                   where f.customer_id = :customer_id and f.mechanic_id = m.id)))
           from headstart.mechanic_facts m
           where m.id = any (:concerned::uuid[])
       ) as facts
from (select headstart.clock() as now) seen;

-- read_clock
-- What time it is.
select headstart.clock() as now;

-- claim_due
-- Lock up to :limit requests whose time has come. Rows held elsewhere are skipped, so that two
-- workers never wait for each other; the next sweep finds them again if they are still due.
select id
from headstart.session_requests
where due_at <= (select headstart.clock())
order by due_at
limit :limit
for no key update skip locked;

-- claim_unfit
-- Lock up to :limit reservations whose mechanic was suspended, is matched elsewhere, or is offline
-- where the policy does not wait for that. The few unfit mechanics lead to their reservations.
with unfit as materialized (
    select held.id
    from headstart.session_requests active
    join headstart.session_requests held on held.reserved_for = active.matched_mechanic_id
    where active.status = 'matched'
    union
    select held.id
    from headstart.mechanics mechanic
    join headstart.session_requests held on held.reserved_for = mechanic.id
    where mechanic.status <> 'approved'
    union
    select held.id
    from headstart.session_requests held
    left join headstart.presence on presence.mechanic_id = held.reserved_for
    where held.acts_when_offline
      and not coalesce(
          presence.on_duty and presence.lease_until > (select headstart.clock()), false)
)
select id
from headstart.session_requests
where id in (select id from unfit)
order by id
limit :limit
for no key update skip locked;

-- next_due
-- Seconds until the next deadline, negative when overdue; null when nothing is waiting.
select extract(epoch from min(due_at) - headstart.clock())::double precision as wait_s
from headstart.session_requests
where due_at is not null;

-- write_requests
-- The one write: rows whose version still holds, and their events. Answers with the ids written.
-- Who may accept a broadcast is recorded here, and a winner's approval checked once more, so that
-- both are as true as they were when the row was written.
with written as (
    update headstart.session_requests r
    set status = n.status, stage = n.stage, due_at = n.due_at,
        chain_step = n.chain_step, reserved_for = n.reserved_for,
        window_shortened = n.window_shortened,
        priority_window_minutes = n.priority_window_minutes,
        priority_notified_at = n.priority_notified_at,
        fallback_broadcast_at = n.fallback_broadcast_at, fallback_reason = n.fallback_reason,
        broadcast_at = n.broadcast_at,
        matched_mechanic_id = n.matched_mechanic_id, matched_at = n.matched_at,
        silent_mechanics = n.silent_mechanics, excluded_mechanics = n.excluded_mechanics,
        round = n.round, version = n.version,
        metadata = r.metadata || headstart.priority_metadata(
            r.routing_type, r.preferred_mechanic_id, n.priority_notified_at,
            n.priority_window_minutes, n.fallback_broadcast_at, n.fallback_reason)
    from jsonb_populate_recordset(null::headstart.session_requests, :requests::jsonb) n
    join unnest(:ids::uuid[], :expected::integer[]) as expected (id, version)
        on expected.id = n.id
    where r.id = n.id and r.version = expected.version
      and (n.status <> 'matched' or r.status = 'matched' or exists (
          select from headstart.mechanics m
          where m.id = n.matched_mechanic_id and m.status = 'approved'))
    returning r.id
), logged as (
    insert into headstart.session_events
        (request_id, version, kind, at, actor, round, payload, command_key, eligible)
    select e.request_id, e.version, e.kind, e.at, e.actor, e.round, e.payload, e.command_key,
           case when e.kind = 'request_opened'
               then array(select id from headstart.eligible_mechanics) end
    from jsonb_populate_recordset(null::headstart.session_events, :events::jsonb) e
    join written on written.id = e.request_id
    order by e.request_id, e.version
)
select id from written;

-- create_request
-- A new request and its first events; nothing at all if it exists already.
with created as (
    insert into headstart.session_requests (
        id, intake_id, customer_id, plan_code, checkout_session_id, payment_intent_id,
        status, stage, due_at, routing_type, preferred_mechanic_id, chain, chain_windows_s,
        chain_step, reserved_for, window_shortened, priority_window_minutes,
        priority_notified_at, fallback_broadcast_at, fallback_reason, broadcast_at,
        matched_mechanic_id, matched_at, silent_mechanics, excluded_mechanics, round, policy,
        metadata, version, created_at)
    select n.id, n.intake_id, n.customer_id, n.plan_code, n.checkout_session_id,
           n.payment_intent_id, n.status, n.stage, n.due_at, n.routing_type,
           n.preferred_mechanic_id, n.chain, n.chain_windows_s, n.chain_step, n.reserved_for,
           n.window_shortened, n.priority_window_minutes, n.priority_notified_at,
           n.fallback_broadcast_at, n.fallback_reason, n.broadcast_at,
           n.matched_mechanic_id, n.matched_at, n.silent_mechanics, n.excluded_mechanics,
           n.round, n.policy,
           headstart.priority_metadata(
               n.routing_type, n.preferred_mechanic_id, n.priority_notified_at,
               n.priority_window_minutes, n.fallback_broadcast_at, n.fallback_reason),
           n.version, n.created_at
    from jsonb_populate_record(null::headstart.session_requests, :request::jsonb) n
    on conflict do nothing
    returning id
), logged as (
    insert into headstart.session_events
        (request_id, version, kind, at, actor, round, payload, eligible)
    select e.request_id, e.version, e.kind, e.at, e.actor, e.round, e.payload,
           case when e.kind = 'request_opened'
               then array(select id from headstart.eligible_mechanics) end
    from jsonb_populate_recordset(null::headstart.session_events, :events::jsonb) e
    join created on created.id = e.request_id
    order by e.version
)
select id from created;
