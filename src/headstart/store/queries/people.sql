-- add_customer
-- A customer, or the same one again.
insert into headstart.customers (id, first_name, last_name, email, phone)
values (:id, :first_name, :last_name, :email, :phone) on conflict (id) do nothing;

-- put_customer
-- A customer as they are known now. What is recorded stays for good, and so it names the fields that
-- changed and not what they say.
with before as (
    select * from headstart.customers where id = :id for update
), put as (
    insert into headstart.customers (id, first_name, last_name, email, phone)
    select :id, :first_name, :last_name, :email, :phone
    from (select count(*) from before) first  -- what was known is read, and locked, first
    on conflict (id) do update
    set first_name = excluded.first_name, last_name = excluded.last_name,
        email = excluded.email, phone = excluded.phone
    returning *
)
insert into headstart.operator_actions (actor, action, subject, was, became, reason)
select :actor, 'put_customer', put.id::text,
       case when before.id is not null then '{"known": true}'::jsonb end,
       jsonb_build_object('known', true, 'changed', array_remove(array[
           case when put.first_name is distinct from before.first_name then 'first_name' end,
           case when put.last_name is distinct from before.last_name then 'last_name' end,
           case when put.email is distinct from before.email then 'email' end,
           case when put.phone is distinct from before.phone then 'phone' end], null)),
       :reason
from put left join before on true;

-- put_mechanic
-- A mechanic as they are known now.
with before as (
    select * from headstart.mechanics where id = :id for update
), put as (
    insert into headstart.mechanics (id, name, status)
    select :id, :name, :status
    from (select count(*) from before) first
    on conflict (id) do update set name = excluded.name, status = excluded.status
    returning *
)
insert into headstart.operator_actions (actor, action, subject, was, became, reason)
select :actor, 'put_mechanic', put.id::text,
       case when before.id is not null then jsonb_build_object('status', before.status) end,
       jsonb_build_object('status', put.status, 'renamed', before.name <> put.name), :reason
from put left join before on true;

-- customer
-- One customer.
select id, first_name, last_name, email, phone from headstart.customers where id = :id;

-- customers
-- Everybody, for the demo's front page.
select id, first_name, last_name from headstart.customers order by created_at, id limit :limit;

-- add_mechanic
-- A mechanic, or the same one again.
insert into headstart.mechanics (id, name, status) values (:id, :name, :status)
on conflict (id) do nothing;

-- mechanic
-- One mechanic.
select id, name, status from headstart.mechanics where id = :id;

-- mechanics
-- Everybody, for the demo's front page.
select id, name, status from headstart.mechanics order by created_at, id limit :limit;

-- names_of
-- What these mechanics are called.
select id, name from headstart.mechanics where id = any (:mechanics::uuid[]);

-- set_mechanic_status
-- Approve or suspend.
update headstart.mechanics set status = :status where id = :id returning id;

-- favorite
-- Since when this mechanic is a favourite of the customer who asks.
select m.id as mechanic_id, m.name, f.since, f.rank
from headstart.favorites f join headstart.mechanics m on m.id = f.mechanic_id
where f.customer_id = headstart.person('customer') and f.mechanic_id = :mechanic_id;

-- favorites
-- The favourites of the customer who asks, with what is known of their availability, and what they
-- have done together.
select m.id as mechanic_id, m.name, f.since, f.rank, m.status = 'approved' as approved,
       headstart.is_online(p.on_duty, p.lease_until, p.last_seen) as is_online, p.last_seen,
       together.jobs, together.last_job_at
from headstart.favorites f
join headstart.mechanics m on m.id = f.mechanic_id
left join headstart.presence p on p.mechanic_id = m.id
cross join lateral (
    select count(*) as jobs, max(r.matched_at) as last_job_at
    from headstart.session_requests r
    where r.customer_id = f.customer_id and r.matched_mechanic_id = m.id
      and r.status = 'completed') together
where f.customer_id = headstart.person('customer')
order by f.rank, f.since;

-- add_favorite
-- Save a favourite, or the same one again; nothing when there is no such approved mechanic.
insert into headstart.favorites (customer_id, mechanic_id)
select :customer_id, id from headstart.mechanics where id = :mechanic_id and status = 'approved'
on conflict (customer_id, mechanic_id) do update set rank = favorites.rank
returning mechanic_id;

-- remove_favorite
-- Forget a favourite.
delete from headstart.favorites where customer_id = :customer_id and mechanic_id = :mechanic_id;

-- set_presence
-- Go on or off duty. A lease that lapses by itself.
insert into headstart.presence (mechanic_id, on_duty, lease_until, last_seen)
select :mechanic_id, :on_duty, now + :lease::interval, now
from (select headstart.clock() as now) seen
on conflict (mechanic_id) do update
set on_duty = excluded.on_duty, lease_until = excluded.lease_until, last_seen = excluded.last_seen
returning on_duty, lease_until, last_seen;

-- prove_presence
-- A heartbeat: whoever is on duty stays so, and nobody comes on duty by it.
with beat as (
    update headstart.presence
    set lease_until = now + :lease::interval, last_seen = now
    from (select headstart.clock() as now) seen
    where mechanic_id = :mechanic_id and on_duty
    returning on_duty, lease_until, last_seen
)
select * from beat
union all
select on_duty, lease_until, last_seen from headstart.presence
where mechanic_id = :mechanic_id and not exists (select from beat);

-- presence
-- Whether a mechanic is online (null: nobody can know), and when they were last seen; no row: never.
select on_duty, headstart.is_online(on_duty, lease_until, last_seen) as is_online, last_seen
from headstart.presence where mechanic_id = :mechanic_id;

-- clock_ahead
-- How far the clock runs ahead of real time.
select ahead from headstart.test_clock;

-- advance_clock
-- Move the test clock on by this much. Demo and test mode only.
update headstart.test_clock set ahead = ahead + :by::interval;

-- move_clock
-- The same, and who did it.
with moved as (
    update headstart.test_clock set ahead = ahead + :by::interval
    returning ahead - :by::interval as was, ahead as became
)
insert into headstart.operator_actions (actor, action, subject, was, became, reason)
select :actor, 'move_clock', 'test_clock',
       jsonb_build_object('ahead_s', extract(epoch from was)),
       jsonb_build_object('ahead_s', extract(epoch from became)), :reason
from moved;
