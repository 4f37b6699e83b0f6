-- The second wall: whoever asks, and whatever a program of ours forgets, the database answers each
-- role with its own rows only. Roles belong to the server, not to this database: they are made where
-- they are missing, and never dropped.

do $$
declare
    wanted text;
begin
    foreach wanted in array array['headstart_service', 'headstart_customer', 'headstart_mechanic',
                                  'headstart_operator', 'headstart_reporting'] loop
        if to_regrole(wanted) is null then
            begin
                execute format('create role %I nologin noinherit', wanted);
            exception when duplicate_object or unique_violation then
                null;  -- made at this moment for another database of this server
            end;
        end if;
    end loop;
end
$$;

-- The service may become a person for one transaction. The account that migrates owns the tables,
-- and where it is no superuser it needs the policies of the service itself: they are forced.
do $$
declare
    wish text[];
    inherits text := case when current_setting('server_version_num')::integer >= 160000
        then ' with inherit true' else '' end;
begin
    foreach wish slice 1 in array array[
        ['headstart_customer', 'headstart_service', 'member', ''],
        ['headstart_mechanic', 'headstart_service', 'member', ''],
        ['headstart_operator', 'headstart_service', 'member', ''],
        ['headstart_service', current_user::text, 'usage', inherits]] loop
        if not pg_has_role(wish[2], wish[1], wish[3]) then
            begin
                execute format('grant %I to %I', wish[1], wish[2]) || wish[4];
            exception when unique_violation then
                null;  -- granted at this moment for another database of this server
            end;
        end if;
    end loop;
end
$$;


-- Who asks ------------------------------------------------------------------------------------

create function person(kind text) returns uuid
    language sql stable parallel safe
    return case when nullif(current_setting('request.jwt.claims', true), '')::jsonb
            ->> 'headstart_role' = kind
        then (current_setting('request.jwt.claims')::jsonb ->> 'headstart_id')::uuid end;
comment on function person is 'Whose claims this transaction has, if they are of this kind.';

-- What a mechanic's desk holds depends on columns that no mechanic may read: who else was asked, who
-- said no, who won. These two answer with ids of rows that the policies show them anyway.
create function offers_to_me(at_most integer) returns table (session_id uuid, place bigint)
    language plpgsql stable rows 20 security definer set search_path = '' as $$
begin
    return query
    select r.id, row_number() over (order by r.stage = 'reserved' desc, r.created_at)
    from headstart.session_requests r
    where r.status = 'pending'
      and (r.reserved_for = headstart.person('mechanic')
           or r.stage = 'open' and headstart.person('mechanic') <> all (r.excluded_mechanics))
      and exists (
          select from headstart.mechanics
          where id = headstart.person('mechanic') and status = 'approved')
    order by 2
    limit at_most;
end
$$;
comment on function offers_to_me is 'What the mechanic who asks may accept now, and in which order.';

create function my_job() returns uuid
    language plpgsql stable security definer set search_path = '' as $$
begin
    return (
        select id from headstart.session_requests
        where status = 'matched' and matched_mechanic_id = headstart.person('mechanic'));
end
$$;
comment on function my_job is 'The request that the mechanic who asks is matched with now.';


-- Views show what the one who asks may see, not what their owner may see ------------------------

-- The same as before; a request in the stage ``reserved`` is held for somebody.
create or replace view offer_cards as
select r.id as session_id,
       r.version,
       r.status,
       r.stage,
       r.due_at,
       r.created_at,
       coalesce(r.stage = 'reserved', false) as priority,
       r.priority_window_minutes,
       plan.code as plan,
       plan.name as plan_name,
       plan.minutes,
       plan.session_type,
       plan.mechanic_pay as pay,
       plan.currency,
       customer.first_name as customer_first_name,
       intake.vehicle,
       intake.concern,
       intake.urgent,
       intake.specialist
from session_requests r
join intakes intake on intake.id = r.intake_id
join plans plan on plan.code = r.plan_code
join customers customer on customer.id = r.customer_id;

alter view mechanic_facts set (security_invoker = true);
alter view eligible_mechanics set (security_invoker = true);
alter view offer_cards set (security_invoker = true);
alter view customer_requests set (security_invoker = true);
alter view request_money set (security_invoker = true);


-- The wall itself, on every table there is ------------------------------------------------------

do $$
declare
    one regclass;
begin
    for one in
        select oid from pg_class
        where relnamespace = 'headstart'::regnamespace and relkind in ('r', 'p')
    loop
        execute format('alter table %s enable row level security', one);
        execute format('alter table %s force row level security', one);
        execute format('create policy service on %s to headstart_service'
                       ' using (true) with check (true)', one);
    end loop;
end
$$;

grant usage on schema headstart to headstart_service, headstart_customer, headstart_mechanic,
    headstart_operator, headstart_reporting;
revoke execute on all functions in schema headstart from public;
grant execute on all functions in schema headstart to headstart_service;
revoke execute on function offers_to_me, my_job from headstart_service;
grant execute on function clock, person to headstart_customer, headstart_operator;
grant execute on function person, offers_to_me, my_job to headstart_mechanic;
grant execute on function clock to headstart_reporting;


-- The service: every row, and of each table no more verbs and columns than it writes -------------

grant select on all tables in schema headstart to headstart_service;

grant update (ahead) on test_clock to headstart_service;
grant insert, update (first_name, last_name, email, phone) on customers to headstart_service;
grant insert, update (name, status) on mechanics to headstart_service;
grant insert, update (rank), delete on favorites to headstart_service;
grant insert, update (on_duty, lease_until, last_seen) on presence to headstart_service;
grant insert, update (status, checkout_session_id, checkout_url) on intakes to headstart_service;
grant insert, update (
    status, stage, due_at, chain_step, reserved_for, window_shortened, priority_window_minutes,
    priority_notified_at, fallback_broadcast_at, fallback_reason, broadcast_at,
    matched_mechanic_id, matched_at, silent_mechanics, excluded_mechanics, round, metadata, version
) on session_requests to headstart_service;
grant insert on session_events to headstart_service;
grant insert, update (enabled, rollout_percentage, updated_at) on feature_flags
    to headstart_service;
grant insert on feature_flag_changes to headstart_service;
grant insert, update (outcome) on stripe_events to headstart_service;
grant insert, update (
    checkout_session_id, status, amount, currency, amount_capturable, amount_received,
    amount_refunded, capture_before, disputed, seen_at
) on payments to headstart_service;
grant insert, update (
    state, due_at, settled_at, result, amount, attempts, nudges, key_number
) on stripe_operations to headstart_service;


-- Customers: what is theirs -------------------------------------------------------------------

grant select (id, first_name, last_name, email, phone, created_at) on customers
    to headstart_customer;
create policy customer on customers for select to headstart_customer
    using (id = (select headstart.person('customer')));

grant select on plans, presence, test_clock to headstart_customer;
create policy customer on plans for select to headstart_customer
    using ((select headstart.person('customer')) is not null);
create policy customer on presence for select to headstart_customer
    using ((select headstart.person('customer')) is not null);
create policy customer on test_clock for select to headstart_customer
    using ((select headstart.person('customer')) is not null);

grant select on favorites to headstart_customer;
create policy customer on favorites for select to headstart_customer
    using (customer_id = (select headstart.person('customer')));

grant select (id, customer_id, plan_code, amount, currency, routing_type, preferred_mechanic_ids,
              specialist, urgent, concern, vehicle, contact_email, contact_phone, status, capture,
              created_at) on intakes to headstart_customer;
create policy customer on intakes for select to headstart_customer
    using (customer_id = (select headstart.person('customer')));

grant select (id, intake_id, customer_id, plan_code, payment_intent_id, hold, status, stage, due_at,
              routing_type, preferred_mechanic_id, reserved_for, priority_window_minutes,
              priority_notified_at, fallback_broadcast_at, fallback_reason, broadcast_at,
              matched_mechanic_id, matched_at, round, version, created_at) on session_requests
    to headstart_customer;
create policy customer on session_requests for select to headstart_customer
    using (customer_id = (select headstart.person('customer')));

grant select (request_id, version, kind, at, actor, round, payload, eligible) on session_events
    to headstart_customer;
create policy customer on session_events for select to headstart_customer
    using (exists (
        select from headstart.session_requests r
        where r.id = request_id and r.customer_id = (select headstart.person('customer'))));

-- A stranger's id must not become a name: favourites, and who was asked by name or accepted.
grant select (id, name, status) on mechanics to headstart_customer;
create policy customer on mechanics for select to headstart_customer
    using (
        exists (
            select from headstart.favorites f
            where f.customer_id = (select headstart.person('customer'))
              and f.mechanic_id = mechanics.id)
        or exists (
            select from headstart.session_requests r
            join headstart.session_events e on e.request_id = r.id
            where r.customer_id = (select headstart.person('customer'))
              and e.kind in ('request_reserved', 'request_matched')
              and e.payload ->> 'mechanic' = mechanics.id::text));

grant select (payment_intent_id, amount, currency, amount_received, amount_refunded) on payments
    to headstart_customer;
create policy customer on payments for select to headstart_customer
    using (exists (
        select from headstart.session_requests r
        where r.customer_id = (select headstart.person('customer'))
          and r.payment_intent_id = payments.payment_intent_id));

grant select (key, kind, request_id, state, result) on stripe_operations to headstart_customer;
create policy customer on stripe_operations for select to headstart_customer
    using (exists (
        select from headstart.session_requests r
        where r.id = request_id and r.customer_id = (select headstart.person('customer'))));

grant select on customer_requests, request_money to headstart_customer;


-- Mechanics: what core.access.may_see allows, in columns that anybody who may see it may read ----

grant select (id, intake_id, customer_id, plan_code, status, stage, due_at, created_at, version,
              priority_window_minutes) on session_requests to headstart_mechanic;
create policy mechanic on session_requests for select to headstart_mechanic
    using (
        matched_mechanic_id = (select headstart.person('mechanic'))
        or (select exists (
            select from headstart.mechanics
            where id = headstart.person('mechanic') and status = 'approved')) and (
            broadcast_at is not null
            or reserved_for = (select headstart.person('mechanic'))
            or (select headstart.person('mechanic'))
                = any (silent_mechanics || excluded_mechanics)));

grant select (id, customer_id, vehicle, concern, urgent, specialist) on intakes
    to headstart_mechanic;
create policy mechanic on intakes for select to headstart_mechanic
    using (exists (
        select from headstart.session_requests r
        where r.customer_id = intakes.customer_id and r.intake_id = intakes.id));

grant select (id, first_name) on customers to headstart_mechanic;
create policy mechanic on customers for select to headstart_mechanic
    using (exists (
        select from headstart.session_requests r where r.customer_id = customers.id));

grant select (id, name, status) on mechanics to headstart_mechanic;
create policy mechanic on mechanics for select to headstart_mechanic
    using (id = (select headstart.person('mechanic')));

grant select on plans, presence to headstart_mechanic;
create policy mechanic on plans for select to headstart_mechanic
    using ((select headstart.person('mechanic')) is not null);
create policy mechanic on presence for select to headstart_mechanic
    using ((select headstart.person('mechanic')) is not null);

grant select on offer_cards to headstart_mechanic;


-- Operators see everything and write nothing by themselves: what they order, the service does ----

do $$
declare
    one regclass;
begin
    for one in
        select oid from pg_class
        where relnamespace = 'headstart'::regnamespace and relkind in ('r', 'p')
          and relname <> 'schema_migrations'
    loop
        execute format('grant select on %s to headstart_operator', one);
        execute format('create policy operator on %s for select to headstart_operator'
                       ' using ((select headstart.person(''operator'')) is not null)', one);
    end loop;
end
$$;
grant select on mechanic_facts, offer_cards, customer_requests, request_money
    to headstart_operator;


-- Reporting: figures without people's words, names and payment ids. It has no claims ------------

grant select on test_clock, plans, favorites, presence, feature_flags, feature_flag_changes
    to headstart_reporting;
grant select (id, created_at) on customers to headstart_reporting;
grant select (id, status, created_at) on mechanics to headstart_reporting;
grant select (id, customer_id, plan_code, amount, currency, routing_type, specialist, urgent,
              status, capture, created_at) on intakes to headstart_reporting;
grant select (id, intake_id, customer_id, plan_code, hold, status, stage, due_at, routing_type,
              preferred_mechanic_id, chain_step, reserved_for, window_shortened,
              priority_window_minutes, priority_notified_at, fallback_broadcast_at,
              fallback_reason, broadcast_at, matched_mechanic_id, matched_at, round, version,
              created_at) on session_requests to headstart_reporting;
grant select (id, request_id, version, kind, at, round, eligible) on session_events
    to headstart_reporting;
grant select (status, amount, currency, amount_capturable, amount_received, amount_refunded,
              capture_before, disputed, seen_at) on payments to headstart_reporting;
grant select (id, kind, request_id, state, due_at, attempts, amount, result, created_at,
              settled_at) on stripe_operations to headstart_reporting;

do $$
declare
    one text;
begin
    foreach one in array array['test_clock', 'plans', 'favorites', 'presence', 'feature_flags',
                               'feature_flag_changes', 'customers', 'mechanics', 'intakes',
                               'session_requests', 'session_events', 'payments',
                               'stripe_operations'] loop
        execute format('create policy reporting on headstart.%I for select'
                       ' to headstart_reporting using (true)', one);
    end loop;
end
$$;
