-- {wanted}
-- Which requests an operator wants to see; null: all of them.
(:plan::text is null or r.plan_code = :plan)
  and (:mechanic::uuid is null or :mechanic = coalesce(r.reserved_for, r.matched_mechanic_id))
  and (:ids::uuid[] is null or r.id = any (:ids))

-- {described}
-- A request in the words of whoever booked it.
plan.name as plan_name, customer.first_name as customer, intake.vehicle, intake.urgent

-- {with_words}
-- Where those words stand.
join headstart.plans plan on plan.code = r.plan_code
join headstart.customers customer on customer.id = r.customer_id
join headstart.intakes intake on intake.id = r.intake_id

-- live_by_stage
-- What is live, by stage: the :each with the least time left, and how many there are. A mechanic's
-- job has no limit of ours unless somebody watches whether they come; it has a planned length. The
-- few that are shown are looked up one by one, which "lateral … limit" makes sure of.
with counted as (
    select r.stage, count(*) as of_stage
    from headstart.session_requests r
    where r.due_at is not null and r.status = 'pending' and {wanted}
    group by r.stage
    union all
    select 'matched', count(*)
    from headstart.session_requests r
    where r.status = 'matched' and {wanted}
), pressing as (
    (select r.id, r.stage, r.due_at as limit_at
     from headstart.session_requests r
     where r.due_at is not null and r.stage = 'reserved' and {wanted}
     order by r.due_at limit :each)
    union all
    (select r.id, r.stage, r.due_at
     from headstart.session_requests r
     where r.due_at is not null and r.stage = 'open' and {wanted}
     order by r.due_at limit :each)
    union all
    (select r.id, 'matched', coalesce(r.due_at, r.matched_at + plan.minutes * interval '1 minute')
     from headstart.session_requests r
     join headstart.plans plan on plan.code = r.plan_code
     where r.status = 'matched' and {wanted}
     order by 3 limit :each)
)
select pressing.stage, counted.of_stage, pressing.limit_at, shown.*,
       coalesce(
           (select e.at from headstart.session_events e
            where e.request_id = pressing.id and e.kind = 'request_reserved'
              and pressing.stage = 'reserved'
            order by e.version desc limit 1),
           shown.matched_at, shown.created_at) as since
from pressing
join counted on counted.stage = pressing.stage
cross join lateral (
    select r.id, r.version, r.due_at, r.created_at, r.matched_at,
           coalesce(r.reserved_for, r.matched_mechanic_id) as mechanic_id,
           mechanic.name as mechanic, {described}
    from headstart.session_requests r
    {with_words}
    left join headstart.mechanics mechanic
        on mechanic.id = coalesce(r.reserved_for, r.matched_mechanic_id)
    where r.id = pressing.id
    limit 1) shown
where :stage::text is null or pressing.stage = :stage
order by pressing.stage, pressing.limit_at, pressing.id;

-- ended_lately
-- What ended not longer ago than :since, newest first, as far as the latest :events tell.
select r.id, r.version, r.status, ending.at, mechanic.id as mechanic_id, mechanic.name as mechanic,
       {described}
from (select * from headstart.session_events order by id desc limit :events) ending
join headstart.session_requests r on r.id = ending.request_id
{with_words}
left join headstart.mechanics mechanic on mechanic.id = r.matched_mechanic_id
where ending.kind in ('session_completed', 'request_cancelled', 'request_unfilled')
  and ending.actor <> 'import'
  and ending.at > (select headstart.clock()) - :since::interval
  and (:plan::text is null or r.plan_code = :plan)
  and (:mechanic::uuid is null or r.matched_mechanic_id = :mechanic)
order by ending.at desc
limit :limit;

-- stuck
-- Where somebody had to act and nobody did: a deadline that passed, a match whose money is not taken,
-- something owed at the payment service that does not get done. Oldest first.
select 'overdue' as why, r.id as request_id, coalesce(r.stage, r.status) as detail,
       r.due_at as since
from headstart.session_requests r
where r.due_at < (select headstart.clock()) - :overdue_after::interval
union all
select 'not_captured', r.id, coalesce(o.state, 'missing'), r.matched_at
from headstart.session_requests r
left join headstart.stripe_operations o on o.key = 'capture:' || r.id
where r.status = 'matched' and r.hold and o.state is distinct from 'done'
  and r.matched_at < (select headstart.clock()) - :unsettled_after::interval
union all
select 'unsettled', o.request_id, o.kind, o.due_at
from headstart.stripe_operations o
where o.due_at < (select headstart.clock()) - :unsettled_after::interval and o.kind <> 'capture'
order by since
limit :limit;

-- health
-- What is late or owed just now, and when Stripe was last heard of.
select headstart.clock() as now,
       (select extract(epoch from headstart.clock() - min(due_at))::double precision
        from headstart.session_requests where due_at < (select headstart.clock())) as late_s,
       (select max(received_at) from headstart.stripe_events) as webhook_at,
       owed.operations, owed.since as owed_since, owed.refused
from (
    select count(*) filter (where state = 'due') as operations,
           min(created_at) filter (where state = 'due') as since,
           count(*) filter (where state = 'refused') as refused
    from headstart.stripe_operations
    where due_at is not null or state = 'refused') owed;

-- pulse
-- What the alarms look at: who waits now, and how it went lately.
select waiting.pending, waiting.oldest, lately.unfilled, lately.matched, lately.match_p50_s
from (
    select count(*) as pending, min(created_at) as oldest
    from headstart.session_requests
    where due_at is not null and status = 'pending') waiting
cross join (
    select count(*) filter (where outcome = 'unfilled') as unfilled,
           count(first_matched_at) as matched,
           percentile_cont(0.5) within group (
               order by extract(epoch from first_matched_at - requested_at)) as match_p50_s
    from headstart.request_outcomes
    where requested_at > (select headstart.clock()) - :since::interval) lately;

-- mechanics_by_name
-- Whom one may choose from a list, and whether they could take a request now.
select m.id, m.name, m.status, facts.approved and not facts.busy as free,
       coalesce(facts.online_until > (select headstart.clock()), false) as online
from headstart.mechanics m
join headstart.mechanic_facts facts on facts.id = m.id
order by m.name, m.id limit :limit;

-- asked_everybody
-- Who could accept, each time everybody was asked for one request.
select version, eligible from headstart.session_events
where request_id = :id and kind = 'request_opened' and eligible is not null;

-- job_at
-- What a mechanic was at work on at a moment, by the log and as far back as :since.
select matched.request_id
from headstart.session_events matched
where matched.at > :moment::timestamptz - :since::interval and matched.at <= :moment
  and matched.kind = 'request_matched' and matched.payload ->> 'mechanic' = :mechanic::text
  and not exists (
      select from headstart.session_events later
      where later.request_id = matched.request_id and later.version > matched.version
        and later.kind in ('match_released', 'session_completed') and later.at <= :moment)
order by matched.at desc
limit 1;

-- was_there
-- Whether a sign of life came from a mechanic in a time; null from before attendance was kept.
select case when :begin::timestamptz >= (select min(since) from headstart.attendance) then exists (
    select from headstart.attendance
    where mechanic_id = :mechanic and since <= :end and seen_until >= :begin) end;

-- payment_of
-- The payment behind a request, as it was fetched last.
select p.payment_intent_id, p.status, p.amount, p.currency, p.amount_capturable, p.amount_received,
       p.amount_refunded, p.capture_before, p.disputed, p.seen_at
from headstart.session_requests r
join headstart.payments p on p.payment_intent_id = r.payment_intent_id
where r.id = :id;
