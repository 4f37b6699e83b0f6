-- {seen}
-- A request with the facts about the mechanics it concerns and the clock, all of one snapshot.
-- Whoever writes on the strength of this names the version or holds the lock, so that the clock
-- is never older than the state it judges.
       r.id, r.customer_id, r.version, r.created_at, r.routing_type, r.policy::text as policy,
       r.chain, r.chain_windows_s, r.status, r.stage, r.due_at, r.reserved_for, r.chain_step,
       r.window_shortened, r.window_extensions, r.matched_mechanic_id, r.matched_at,
       r.preferred_mechanic_id, r.priority_window_minutes, r.priority_notified_at,
       r.fallback_broadcast_at, r.fallback_reason, r.broadcast_at, r.silent_mechanics,
       r.excluded_mechanics, r.round,
       clock.now,
       array(
           select (m.id, m.approved, m.busy,
               exists (
                   select from headstart.presence p
                   where p.mechanic_id = m.id and p.on_duty and p.lease_until > clock.now),
               exists (
                   select from headstart.favorites f
                   where f.customer_id = r.customer_id and f.mechanic_id = m.id))
           from headstart.mechanic_facts m
           where m.id = any (r.chain || :concerned::uuid[])
       ) as facts

-- read_request
-- One request: the hot path, and so without anything that only some commands need.
select {seen}, false as done_before
from headstart.session_requests r, (select headstart.clock() as now) clock
where r.id = :id;

-- read_request_and_effect
-- One request, and whether a command with this key has changed it before.
select {seen}, exists (
           select from headstart.session_events e
           where e.request_id = r.id and e.command_key = :command_key) as done_before
from headstart.session_requests r, (select headstart.clock() as now) clock
where r.id = :id;

-- read_requests
-- Any number of requests.
select {seen}, false as done_before
from headstart.session_requests r, (select headstart.clock() as now) clock
where r.id = any (:ids::uuid[]);

-- read_facts
-- The clock, and the facts for a request that does not exist yet.
select seen.now,
       array(
           select (m.id, m.approved, m.busy, coalesce(m.online_until > seen.now, false),
               exists (
                   select from headstart.favorites f
                   where f.customer_id = :customer_id and f.mechanic_id = m.id))
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
-- where the policy does not wait for that. The few unfit mechanics lead to their reservations: one
-- look into an index for each, which "lateral … limit" makes sure of.
with unfit as materialized (
    select held.id
    from headstart.session_requests active
    cross join lateral (
        select reserved.id from headstart.session_requests reserved
        where reserved.reserved_for = active.matched_mechanic_id limit :limit) held
    where active.status = 'matched'
    union
    select held.id
    from headstart.mechanics mechanic
    cross join lateral (
        select reserved.id from headstart.session_requests reserved
        where reserved.reserved_for = mechanic.id limit :limit) held
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

-- write_event
-- The one write, for a single event that opens nothing, as nearly every command of a person is. All
-- values are plain parameters, so that the server has no sets to unpack.
with n as (
    select :id::uuid as id, :expected_version::integer as expected_version,
           :version::integer as version, :round::smallint as round,
           :status::text as status, :stage::text as stage, :due_at::timestamptz as due_at,
           :chain_step::smallint as chain_step, :reserved_for::uuid as reserved_for,
           :window_shortened::boolean as window_shortened,
           :window_extensions::smallint as window_extensions,
           :priority_window_minutes::numeric as priority_window_minutes,
           :priority_notified_at::timestamptz as priority_notified_at,
           :fallback_broadcast_at::timestamptz as fallback_broadcast_at,
           :fallback_reason::text as fallback_reason, :broadcast_at::timestamptz as broadcast_at,
           :matched_mechanic_id::uuid as matched_mechanic_id,
           :matched_at::timestamptz as matched_at,
           :silent_mechanics::text as silent_mechanics,
           :excluded_mechanics::text as excluded_mechanics
), e as (
    select :id::uuid as request_id, :version::integer as version, :kind::text as kind,
           :at::timestamptz as at, :actor::text as actor, :round::smallint as round,
           :payload::text as payload, :command_key::text as command_key,
           :reason::text as reason, null::uuid[] as eligible, null::bytea as eligible_digest
), {update}, logged as (
    {log}
)
select id from written;

-- write_requests
-- The one write, for any number of requests and events: the same parameters, as columns.
with n as (
    select * from unnest(
        :id::uuid[], :expected_version::integer[], :version::integer[], :round::smallint[],
        :status::text[], :stage::text[], :due_at::timestamptz[], :chain_step::smallint[],
        :reserved_for::uuid[], :window_shortened::boolean[], :window_extensions::smallint[],
        :priority_window_minutes::numeric[],
        :priority_notified_at::timestamptz[], :fallback_broadcast_at::timestamptz[],
        :fallback_reason::text[], :broadcast_at::timestamptz[], :matched_mechanic_id::uuid[],
        :matched_at::timestamptz[], :silent_mechanics::text[], :excluded_mechanics::text[])
    as n (
        id, expected_version, version, round, status, stage, due_at, chain_step, reserved_for,
        window_shortened, window_extensions, priority_window_minutes, priority_notified_at,
        fallback_broadcast_at, fallback_reason, broadcast_at, matched_mechanic_id, matched_at,
        silent_mechanics, excluded_mechanics)
), {events}, {update}, logged as (
    {log}
    order by e.request_id, e.version
)
select id from written;

-- {events}
-- Events as columns. Who may accept a broadcast is recorded here, as it is when the row is written,
-- and looked up only for an event that asks everybody.
asked as materialized (
    select ids, headstart.eligible_digest(ids) as digest
    from (select array(select id from headstart.eligible_mechanics) as ids) eligible
), e as (
    select *,
           case when kind = 'request_opened' then (select ids from asked) end as eligible,
           case when kind = 'request_opened' then (select digest from asked) end as eligible_digest
    from unnest(
        :event_request_id::uuid[], :event_version::integer[], :event_kind::text[],
        :event_at::timestamptz[], :event_actor::text[], :event_round::smallint[],
        :event_payload::text[], :event_command_key::text[], :event_reason::text[])
    as e (request_id, version, kind, at, actor, round, payload, command_key, reason)
)

-- {update}
-- Rows whose version still holds. A winner's approval is checked once more, so that it is as true as
-- the row.
written as (
    update headstart.session_requests r
    set status = n.status, stage = n.stage, due_at = n.due_at,
        chain_step = n.chain_step, reserved_for = n.reserved_for,
        window_shortened = n.window_shortened, window_extensions = n.window_extensions,
        priority_window_minutes = n.priority_window_minutes,
        priority_notified_at = n.priority_notified_at,
        fallback_broadcast_at = n.fallback_broadcast_at, fallback_reason = n.fallback_reason,
        broadcast_at = n.broadcast_at,
        matched_mechanic_id = n.matched_mechanic_id, matched_at = n.matched_at,
        silent_mechanics = n.silent_mechanics::uuid[],
        excluded_mechanics = n.excluded_mechanics::uuid[],
        round = n.round, version = n.version,
        metadata = case when r.routing_type = 'broadcast' then r.metadata  -- has none of these
            else r.metadata || headstart.priority_metadata(
                r.routing_type, r.preferred_mechanic_id, n.priority_notified_at,
                n.priority_window_minutes, n.fallback_broadcast_at, n.fallback_reason) end
    from n
    where r.id = n.id and r.version = n.expected_version
      and (n.status <> 'matched' or r.status = 'matched' or exists (
          select from headstart.mechanics m
          where m.id = n.matched_mechanic_id and m.status = 'approved'))
    returning r.id
)

-- {log}
-- The events of what was written.
insert into headstart.session_events
        (request_id, version, kind, at, actor, round, payload, command_key, reason, eligible,
         eligible_digest)
    select e.request_id, e.version, e.kind, e.at, e.actor, e.round, e.payload::jsonb,
           e.command_key, e.reason, e.eligible, e.eligible_digest
    from e
    join written on written.id = e.request_id

-- create_request
-- A new request and its first events; nothing at all if it exists already.
with {events}, written as (
    insert into headstart.session_requests (
        id, intake_id, customer_id, plan_code, checkout_session_id, payment_intent_id, hold,
        status, stage, due_at, routing_type, preferred_mechanic_id, chain, chain_windows_s,
        chain_step, reserved_for, window_shortened, window_extensions, priority_window_minutes,
        priority_notified_at, fallback_broadcast_at, fallback_reason, broadcast_at,
        matched_mechanic_id, matched_at, silent_mechanics, excluded_mechanics, round, policy,
        metadata, version, created_at)
    select n.id, n.intake_id, n.customer_id, n.plan_code, n.checkout_session_id,
           n.payment_intent_id, n.hold, n.status, n.stage, n.due_at, n.routing_type,
           n.preferred_mechanic_id, n.chain, n.chain_windows_s, n.chain_step, n.reserved_for,
           n.window_shortened, n.window_extensions, n.priority_window_minutes,
           n.priority_notified_at,
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
    {log}
    order by e.version
)
select id from written;
