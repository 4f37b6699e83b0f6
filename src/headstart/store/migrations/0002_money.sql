-- Money: how a plan is charged, what the payment service said of each payment, and what is still to
-- be done there. A trigger writes what is owed in the transaction that makes it owed, so that no
-- program can end a paid request and forget the money.

alter table plans
    add column capture text not null default 'charge',
    add constraint capture_is_known check (capture in ('charge', 'hold'));
comment on column plans.capture is
    'charge: at the payment page, returned by a refund. hold: held there, taken at the match.';

alter table intakes
    add column capture text not null default 'charge',
    add constraint intake_capture_is_known check (capture in ('charge', 'hold')),
    drop constraint intake_status_is_known,
    add constraint intake_status_is_known
        check (status in ('draft', 'checkout', 'paid', 'expired', 'failed'));
create index unpaid_intakes on intakes (created_at) where status in ('draft', 'checkout');
create index open_pages_of_a_customer on intakes (customer_id) where status = 'checkout';

alter table session_requests add column hold boolean not null default false;
comment on column session_requests.hold is 'The payment was held, not charged: a match captures it.';
create index live_requests_of_a_customer on session_requests (customer_id)
    where status in ('pending', 'matched');

create table payments (
    payment_intent_id text primary key,
    checkout_session_id text,
    status text not null,
    amount integer not null check (amount >= 0),
    currency text not null,
    amount_capturable integer not null check (amount_capturable >= 0),
    amount_received integer not null check (amount_received >= 0),
    amount_refunded integer not null check (amount_refunded >= 0),
    capture_before timestamptz,
    disputed boolean not null,
    seen_at timestamptz not null
);
comment on table payments is 'Each payment as it was fetched last. Stripe decides; this remembers.';
create index holds_by_their_end on payments (capture_before) where amount_capturable > 0;

create table stripe_operations (
    id bigint generated always as identity primary key,
    key text not null,
    kind text not null,
    subject text not null,
    request_id uuid references session_requests,
    state text not null default 'due',
    due_at timestamptz default clock(),
    attempts integer not null default 0,
    nudges integer not null default 0,
    key_number integer not null default 1,
    amount integer,
    result text,
    created_at timestamptz not null default clock(),
    settled_at timestamptz,
    constraint one_operation_per_key unique (key),
    constraint operation_kind_is_known
        check (kind in ('look', 'capture', 'give_back', 'expire')),
    constraint operation_state_is_known
        check (state in ('due', 'done', 'refused', 'superseded')),
    constraint due_operation_has_a_time check ((state = 'due') = (due_at is not null)),
    constraint settled_operation_has_a_time check ((state = 'due') = (settled_at is null)),
    constraint money_moves_for_a_request
        check (kind in ('look', 'expire') or request_id is not null)
);
comment on table stripe_operations is
    'What is to be done at the payment service: written with what makes it necessary, kept for good.';
comment on column stripe_operations.subject is 'A payment (pi_…) or a payment page (cs_…).';
comment on column stripe_operations.nudges is 'How often it was asked for; one look answers all.';
comment on column stripe_operations.key_number is
    'Part of the idempotency key: Stripe repeats some failures to a key for a day.';
comment on column stripe_operations.result is 'What came of it, or why not, in one word.';
create index due_operations on stripe_operations (due_at) where due_at is not null;
create index operations_of_a_request on stripe_operations (request_id);
create index refused_operations on stripe_operations (settled_at) where state = 'refused';


-- The rule of money. A match takes what is held; an end without a session gives everything back.
-- Whether giving back is a refund or the end of a hold is seen when it is done. A capture that
-- nobody has begun is not begun any more.
create function money_follows_the_request() returns trigger
    language plpgsql as $$
begin
    if new.status = 'matched' then
        if new.hold then
            insert into headstart.stripe_operations (key, kind, subject, request_id)
            values ('capture:' || new.id, 'capture', new.payment_intent_id, new.id)
            on conflict (key) do nothing;
        end if;
        return null;
    end if;
    update headstart.stripe_operations
    set state = 'superseded', due_at = null, settled_at = headstart.clock()
    where request_id = new.id and kind = 'capture' and state = 'due' and attempts = 0;
    insert into headstart.stripe_operations (key, kind, subject, request_id)
    values ('give_back:' || new.id, 'give_back', new.payment_intent_id, new.id)
    on conflict (key) do nothing;
    return null;
end
$$;

create trigger money_follows_a_new_request
    after insert on session_requests for each row
    when (new.payment_intent_id is not null
          and new.status in ('matched', 'unfilled', 'cancelled'))
    execute function money_follows_the_request();

create trigger money_follows_a_changed_request
    after update of status on session_requests for each row
    when (new.payment_intent_id is not null and old.status is distinct from new.status
          and new.status in ('matched', 'unfilled', 'cancelled'))
    execute function money_follows_the_request();


-- Where the money of a request is, in one word.
create view request_money as
select r.id as session_id,
       case
           when r.payment_intent_id is null then 'none'
           when back.state = 'due' then 'returning'
           when back.state = 'done' and back.result = 'released' then 'released'
           when back.state = 'done' then 'returned'
           when back.state = 'refused' or taken.state = 'refused' then 'needs_help'
           when seen.amount_received > 0 and seen.amount_refunded >= seen.amount_received
               then 'returned'  -- by somebody in the Dashboard, while a mechanic was coming
           when r.hold and taken.state is distinct from 'done' then 'held'
           else 'paid'
       end as money
from session_requests r
left join stripe_operations back on back.key = 'give_back:' || r.id
left join stripe_operations taken on taken.key = 'capture:' || r.id
left join payments seen on seen.payment_intent_id = r.payment_intent_id;

-- The same as before, and where the money is.
create or replace view customer_requests as
select r.id as session_id,
       r.customer_id,
       r.version,
       r.status,
       r.stage,
       r.due_at,
       r.created_at,
       r.routing_type,
       r.priority_window_minutes,
       r.priority_notified_at,
       r.fallback_broadcast_at,
       r.fallback_reason,
       r.broadcast_at,
       r.matched_at,
       plan.name as plan_name,
       plan.minutes,
       intake.amount,
       intake.currency,
       intake.vehicle,
       intake.concern,
       intake.urgent,
       asked.name as asked_mechanic,
       preferred.name as preferred_mechanic,
       matched.name as matched_mechanic,
       (
           select cardinality(e.eligible)
           from session_events e
           where e.request_id = r.id and e.kind = 'request_opened'
           order by e.version desc limit 1
       ) as mechanics_asked,
       r.hold as held_first,
       request_money.money
from session_requests r
join intakes intake on intake.id = r.intake_id
join plans plan on plan.code = r.plan_code
join request_money on request_money.session_id = r.id
left join mechanics asked on asked.id = r.reserved_for
left join mechanics preferred
    on preferred.id = r.preferred_mechanic_id and r.priority_notified_at is not null
left join mechanics matched on matched.id = r.matched_mechanic_id;

alter table stripe_events add column payment_intent_id text;
