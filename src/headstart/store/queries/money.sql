-- claim_operations
-- Take up to :limit operations for :lease: if nobody concludes them by then, they are due again.
-- Money of one payment moves one step after the other, in the order in which it became owed.
-- No result: an attempt is under way.
with due as materialized (
    select o.id
    from headstart.stripe_operations o
    where o.due_at <= (select headstart.clock())
      and (o.kind in ('look', 'expire') or not exists (
          select from headstart.stripe_operations earlier
          where earlier.request_id = o.request_id and earlier.id < o.id
            and earlier.state = 'due' and earlier.kind in ('capture', 'give_back')))
    order by o.due_at
    limit :limit
    for no key update skip locked
)
update headstart.stripe_operations o
set due_at = headstart.clock() + :lease::interval, attempts = o.attempts + 1, result = null
from due
where o.id = due.id
returning o.id, o.key, o.kind, o.subject, o.request_id, o.attempts, o.nudges,
          o.key_number;

-- conclude_operation
-- What came of an attempt; nothing when the lease was lost. One that was asked for again meanwhile
-- is due at once.
update headstart.stripe_operations
set state = case when nudges > :nudges then 'due' else :state end,
    due_at = case when nudges > :nudges then headstart.clock() end,
    settled_at = case when nudges > :nudges then null else headstart.clock() end,
    result = :result, amount = coalesce(:amount::integer, amount)
where id = :id and state = 'due' and attempts = :attempts
returning id;

-- postpone_operation
-- Try again after a while, or at once when it was asked for again meanwhile.
update headstart.stripe_operations
set due_at = headstart.clock()
        + case when nudges > :nudges then interval '0' else :wait::interval end,
    result = :result,
    key_number = key_number + :new_key::boolean::integer
where id = :id and state = 'due' and attempts = :attempts;

-- ask_for_operation
-- Have something done, or done once more. News ends the wait of one that was postponed; an attempt
-- that is under way keeps its lease and is followed by another.
insert into headstart.stripe_operations as o (key, kind, subject)
values (:key, :kind, :subject)
on conflict (key) do update
set state = 'due', settled_at = null, nudges = o.nudges + 1,
    attempts = case when o.state = 'due' then o.attempts else 0 end,
    due_at = case when o.state = 'due' and o.result is null then o.due_at
                  else headstart.clock() end;

-- next_operation
-- Seconds until the next operation, negative when overdue; null when nothing waits.
select extract(epoch from min(due_at) - headstart.clock())::double precision as wait_s
from headstart.stripe_operations where due_at is not null;

-- keep_payment
-- A payment as it was fetched, unless it was fetched later than that before.
insert into headstart.payments as p
    (payment_intent_id, checkout_session_id, status, amount, currency, amount_capturable,
     amount_received, amount_refunded, capture_before, disputed, seen_at)
values (:id, :checkout_session_id, :status, :amount, :currency, :amount_capturable,
        :amount_received, :amount_refunded, :capture_before, :disputed, :seen_at)
on conflict (payment_intent_id) do update
set status = excluded.status, amount = excluded.amount, currency = excluded.currency,
    checkout_session_id = coalesce(excluded.checkout_session_id, p.checkout_session_id),
    amount_capturable = excluded.amount_capturable, amount_received = excluded.amount_received,
    amount_refunded = excluded.amount_refunded, capture_before = excluded.capture_before,
    disputed = excluded.disputed, seen_at = excluded.seen_at
where p.seen_at <= excluded.seen_at;

-- payment_is_gone
-- Whether there was money, and is none any more, as it was fetched last.
select true from headstart.payments
where payment_intent_id = :payment_intent_id
  and (status = 'canceled' or status = 'succeeded' and amount_refunded >= amount_received);

-- contradict_give_back
-- What was given back was seen again: a person must see to it.
update headstart.stripe_operations
set state = 'refused', settled_at = headstart.clock(), result = 'not_returned'
where request_id = :request_id and kind = 'give_back' and state = 'done'
  and settled_at < :seen_at
returning id;

-- request_of_payment
-- The request that a payment stands behind, with its payment page.
select id, checkout_session_id, status
from headstart.session_requests where payment_intent_id = :payment_intent_id;

-- doubtful_money
-- Where what we know of a payment and what we did about it do not fit, oldest first: pages that
-- may have been paid unnoticed, holds that are over or about to be, money that is neither earned
-- nor returned, or gone while somebody is still looked for. Each is worth one look. What was looked
-- at within :patience is left alone.
with doubtful as (
    select i.checkout_session_id as subject, i.created_at as since
    from headstart.intakes i
    where i.status = 'checkout' and i.checkout_session_id is not null
      and i.created_at < (select headstart.clock()) - :patience::interval
      and i.checkout_expires_at > clock_timestamp() - :given_up_after::interval
    union all
    select p.payment_intent_id, p.seen_at
    from headstart.payments p
    join headstart.session_requests r on r.payment_intent_id = p.payment_intent_id
    where p.amount_capturable > 0
       and (r.status in ('pending', 'matched')
                and p.capture_before < (select headstart.clock()) + :hold_margin::interval
            or r.status in ('completed', 'unfilled', 'cancelled')
                and not exists (  -- else a person sees to it
                    select from headstart.stripe_operations o
                    where o.request_id = r.id and o.state = 'refused'))
       or r.status = 'pending' and (p.status = 'canceled'
            or p.status = 'succeeded' and p.amount_refunded >= p.amount_received)
    union all
    select r.payment_intent_id, r.created_at
    from headstart.session_requests r
    left join headstart.payments p on p.payment_intent_id = r.payment_intent_id
    join headstart.stripe_operations back
        on back.request_id = r.id and back.kind = 'give_back' and back.state = 'done'
    where r.status in ('unfilled', 'cancelled') and p.amount_received > p.amount_refunded
)
select subject
from doubtful
where not exists (
    select from headstart.stripe_operations o
    where o.key = 'look:' || subject
      and (o.state = 'due' or o.settled_at > (select headstart.clock()) - :patience::interval))
order by since
limit :limit;

-- unpaid_intakes_among
-- Which of these intakes are not known to be paid.
select id from headstart.intakes where id = any (:ids::uuid[]) and status <> 'paid';

-- {trouble}
-- What a person must look at: what Stripe refused, what a bank disputes, what was taken only in
-- part, holds whose end is near while a mechanic is still awaited, events that we did not heed. The
-- id stays the same for as long as nothing new happens. An event about a page that was looked at,
-- and left to a person, is the same trouble.
select concat_ws('.', 'refused', o.id, case when o.kind <> 'look' then o.key_number end, o.result)
           as trouble_id,
       'refused' as trouble, o.id as operation_id, o.kind, o.subject, o.request_id as session_id,
       o.result as detail, o.settled_at as since
from headstart.stripe_operations o
where o.state = 'refused'
union all
select 'disputed.' || p.payment_intent_id,
       'disputed', null, null, p.payment_intent_id, r.id, null, p.seen_at
from headstart.payments p
join headstart.session_requests r on r.payment_intent_id = p.payment_intent_id
where p.disputed
union all
select 'captured_in_part.' || p.payment_intent_id,
       'captured_in_part', null, null, p.payment_intent_id, r.id,
       p.amount_received || ' of ' || p.amount, p.seen_at
from headstart.payments p
join headstart.session_requests r on r.payment_intent_id = p.payment_intent_id
where p.status = 'succeeded' and p.amount_received between p.amount_refunded + 1 and p.amount - 1
  and r.status in ('pending', 'matched', 'completed')
union all
select 'hold_ends.' || p.payment_intent_id,
       'hold_ends', null, null, p.payment_intent_id, r.id, p.capture_before::text, p.seen_at
from headstart.payments p
join headstart.session_requests r on r.payment_intent_id = p.payment_intent_id
where p.amount_capturable > 0 and r.status in ('pending', 'matched')
  and p.capture_before < (select headstart.clock()) + :hold_margin::interval
union all
select 'quarantined.' || e.id,
       'quarantined', null, e.type, coalesce(nullif(e.object_id, ''), e.id), null,
       replace(e.outcome, 'quarantined_', ''), e.received_at
from headstart.stripe_events e
where e.outcome like 'quarantined%'
  and not exists (
      select from headstart.stripe_operations o
      where o.state = 'refused' and o.key = 'look:' || e.object_id)

-- money_troubles
-- What nobody has dismissed, newest first; money that is in trouble before events that may be about
-- none.
with trouble as ({trouble})
select * from trouble
where not exists (
    select from headstart.trouble_dismissals d where d.trouble_id = trouble.trouble_id)
order by trouble = 'quarantined', since desc
limit :limit;

-- dismiss_trouble
-- Somebody has seen to it, or need not; nothing when there is no such trouble, or no longer.
with trouble as ({trouble}), dismissed as (
    insert into headstart.trouble_dismissals (trouble_id, trouble, subject, detail, actor, reason)
    select trouble_id, trouble, subject, detail, :actor, :reason
    from trouble where trouble_id = :trouble_id
    on conflict (trouble_id) do nothing
    returning *
), recorded as (
    insert into headstart.operator_actions (actor, action, subject, was, became, reason)
    select actor, 'dismiss_trouble', subject,
           jsonb_build_object('trouble', trouble, 'detail', detail),
           jsonb_build_object('dismissed', trouble_id), reason
    from dismissed
)
select trouble_id from dismissed;

-- dismissed_troubles
-- Who has dismissed what, and why, newest first.
select trouble_id, trouble, subject, detail, at, actor, reason
from headstart.trouble_dismissals order by at desc limit :limit;

-- operations_of
-- Everything that was to be done for one request, in order.
select id, key, kind, subject, state, attempts, amount, result, created_at, settled_at, due_at
from headstart.stripe_operations where request_id = :request_id order by id;

-- try_operation_again
-- A person wants a refused operation tried once more.
with refused as (
    select id, key, result from headstart.stripe_operations
    where id = :id and state = 'refused' for no key update
), tried as (
    update headstart.stripe_operations o
    set state = 'due', due_at = headstart.clock(), settled_at = null, attempts = 0,
        key_number = key_number + 1
    from refused where o.id = refused.id
    returning o.id
), recorded as (
    insert into headstart.operator_actions (actor, action, subject, was, became, reason)
    select :actor, 'try_operation_again', refused.key,
           jsonb_build_object('state', 'refused', 'result', refused.result),
           jsonb_build_object('state', 'due'), :reason
    from refused
)
select id from tried;

-- lock_customer
-- Two purchases of one customer see each other: the second waits here until the first commits.
select id from headstart.customers where id = :id for no key update;

-- live_request_of
-- The request of this customer that has not ended, other than this one.
select id from headstart.session_requests
where customer_id = :customer_id and status in ('pending', 'matched') and id <> :but
order by created_at desc limit 1;

-- expire_other_pages
-- Close the payment pages that a customer has left open beside the one that was paid, while there is
-- a live request. One look sees both: a request seen before may have ended since, and the page be new.
insert into headstart.stripe_operations (key, kind, subject)
select 'expire:' || i.id || ':1', 'expire', i.checkout_session_id
from headstart.intakes i
where i.customer_id = :customer_id and i.status = 'checkout' and i.id <> :but
  and i.checkout_session_id is not null
  and exists (
      select from headstart.session_requests r
      where r.customer_id = :customer_id and r.status in ('pending', 'matched'))
on conflict (key) do nothing;
