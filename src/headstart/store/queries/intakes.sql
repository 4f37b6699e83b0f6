-- plan
-- One plan, on sale or not.
select * from headstart.plans where code = :code;

-- plans
-- Everything on sale, cheapest first.
select * from headstart.plans where active order by amount, code;

-- flag
-- A switch as it stands now.
select name, enabled, rollout_percentage from headstart.feature_flags where name = :name;

-- introduce_flag
-- The first value of a switch; the database decides from then on.
insert into headstart.feature_flags (name, enabled) values (:name, :enabled) on conflict do nothing;

-- set_flag
-- Change a switch and record who changed what, and why.
with before as (
    select * from headstart.feature_flags where name = :name for update
), changed as (
    insert into headstart.feature_flags as f (name, enabled, rollout_percentage)
    select :name, :enabled, coalesce(:rollout_percentage::smallint, 100)
    from (select count(*) from before) first  -- the old value is read, and locked, first
    on conflict (name) do update
    set enabled = excluded.enabled, updated_at = headstart.clock(),
        rollout_percentage = coalesce(:rollout_percentage::smallint, f.rollout_percentage)
    returning *
), recorded as (
    insert into headstart.feature_flag_changes (name, actor, reason, was_enabled,
                                      was_rollout_percentage, enabled, rollout_percentage)
    select changed.name, :actor, :reason, before.enabled, before.rollout_percentage,
           changed.enabled, changed.rollout_percentage
    from changed left join before on true
)
select name, enabled, rollout_percentage from changed;

-- flag_changes
-- The history of a switch, newest first.
select at, actor, reason, was_enabled, was_rollout_percentage, enabled, rollout_percentage
from headstart.feature_flag_changes where name = :name order by id desc limit :limit;

-- keep_intake
-- A new intake, or nothing when this customer's key made one before.
insert into headstart.intakes (id, customer_id, plan_code, amount, currency, routing_type,
                     preferred_mechanic_ids, specialist, urgent, concern, vehicle, contact_email,
                     contact_phone, fingerprint, capture, idempotency_key, checkout_expires_at)
values (:id, :customer_id, :plan_code, :amount, :currency, :routing_type,
        :preferred_mechanic_ids, :specialist, :urgent, :concern, :vehicle, :contact_email,
        :contact_phone, :fingerprint, :capture, :idempotency_key,
        clock_timestamp() + :checkout_lifetime::interval)  -- Stripe's clock, not the test clock
on conflict (customer_id, idempotency_key) do nothing
returning *;

-- intake_by_key
-- The intake that this customer's key made.
select * from headstart.intakes
where customer_id = :customer_id and idempotency_key = :idempotency_key;

-- unpaid_intake
-- The newest booking of a customer whose payment page is still open. Stripe's clock.
select * from headstart.intakes
where customer_id = :customer_id and status = 'checkout' and checkout_url is not null
  and checkout_expires_at > clock_timestamp()
order by created_at desc limit 1;

-- intake
-- One intake.
select * from headstart.intakes where id = :id;

-- intake_at_checkout
-- Note where the customer pays.
update headstart.intakes
set status = case when status = 'draft' then 'checkout' else status end,
    checkout_session_id = :checkout_session_id, checkout_url = :checkout_url
where id = :id;

-- conclude_intake
-- Paid, expired or failed; paid is never undone.
update headstart.intakes set status = :status where id = :id and status <> 'paid';

-- first_receipt
-- Record a payment event; nothing when it came before and needs nobody. Waits for a concurrent
-- first receipt.
insert into headstart.stripe_events (id, type, object_id, livemode, api_version, payment_intent_id, outcome)
values (:id, :type, :object_id, :livemode, :api_version, :payment_intent_id, 'received')
on conflict (id) do update set outcome = 'received'
where stripe_events.outcome like 'quarantined%'
returning id;

-- conclude_receipt
-- What became of a payment event.
update headstart.stripe_events set outcome = :outcome where id = :id;
