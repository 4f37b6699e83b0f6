-- The tables of the fulfilment path, with the constraints that make bad states unstorable.

create table test_clock (
    only_row boolean primary key default true check (only_row),
    ahead interval not null default interval '0'
);
comment on table test_clock is 'How far the clock runs ahead. Zero outside demo and test mode.';
insert into test_clock default values;

create function clock() returns timestamptz
    language plpgsql volatile as $$  -- plpgsql keeps the plan between calls, sql does not before 18
begin
    return clock_timestamp() + (select ahead from headstart.test_clock);
end
$$;
comment on function clock is 'The only clock. Every process asks here what time it is.';


-- People -------------------------------------------------------------------------------------

create table customers (
    id uuid primary key,
    first_name text not null,
    last_name text not null default '',
    email text not null default '',
    phone text not null default '',
    created_at timestamptz not null default clock()
);

create table mechanics (
    id uuid primary key,
    name text not null,
    status text not null default 'applied',
    created_at timestamptz not null default clock(),
    constraint mechanic_status_is_known check (status in ('applied', 'approved', 'suspended'))
);

create table favorites (
    customer_id uuid not null references customers,
    mechanic_id uuid not null references mechanics,
    rank integer not null default 1,
    since timestamptz not null default clock(),
    primary key (customer_id, mechanic_id)
);

create table presence (
    mechanic_id uuid primary key references mechanics,
    on_duty boolean not null,
    lease_until timestamptz not null,
    last_seen timestamptz not null
);
comment on table presence is 'A lease: online is on_duty and lease_until in the future, a query.';


-- What is sold, and what was asked for -------------------------------------------------------

create table plans (
    code text primary key,
    name text not null,
    minutes integer not null check (minutes > 0),
    session_type text not null check (session_type in ('chat', 'video', 'diagnostic')),
    amount integer not null check (amount >= 0),
    specialist_premium integer not null default 0 check (specialist_premium >= 0),
    mechanic_pay integer not null default 0 check (mechanic_pay >= 0),
    currency text not null default 'cad' check (currency ~ '^[a-z]{3}$'),
    priority_window_minutes numeric check (priority_window_minutes > 0),
    active boolean not null default true
);
comment on column plans.amount is 'In the minor unit of the currency (cents).';

insert into plans (code, name, minutes, session_type, amount, specialist_premium, mechanic_pay)
values ('free', 'First Question', 5, 'chat', 0, 0, 0),
       ('micro', 'Quick Advice', 10, 'chat', 499, 1500, 300),
       ('quick', 'Quick Chat', 30, 'chat', 999, 1500, 650),
       ('standard', 'Video Session', 45, 'video', 2999, 1500, 2100),
       ('diagnostic', 'Full Diagnostic', 60, 'diagnostic', 4999, 1500, 3500);

create table intakes (
    id uuid primary key,
    customer_id uuid not null references customers,
    plan_code text not null references plans,
    amount integer not null check (amount >= 0),
    currency text not null,
    routing_type text not null,
    preferred_mechanic_ids uuid[] not null,
    specialist boolean not null,
    urgent boolean not null,
    concern text not null,
    vehicle text not null,
    contact_email text not null default '',
    contact_phone text not null default '',
    status text not null default 'draft',
    checkout_session_id text unique,
    checkout_url text,
    checkout_expires_at timestamptz,
    idempotency_key text,
    fingerprint text not null,
    created_at timestamptz not null default clock(),
    constraint intake_status_is_known check (status in ('draft', 'checkout', 'paid', 'expired')),
    constraint routing_type_is_known check (routing_type in ('broadcast', 'priority_broadcast')),
    constraint one_intake_per_idempotency_key unique (customer_id, idempotency_key)
);
comment on table intakes is 'What the customer chose before paying; the record that decides.';
comment on column intakes.preferred_mechanic_ids is 'As asked, in order; judged when dispatched.';


-- The session request and its log ------------------------------------------------------------

create function iso_instant(at timestamptz) returns text
    language sql immutable parallel safe
    return to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The mirror of the typed columns for readers of the JSON. A key is present only when it happened.
create function priority_metadata(
    routing_type text,
    preferred_mechanic_id uuid,
    priority_notified_at timestamptz,
    priority_window_minutes numeric,
    fallback_broadcast_at timestamptz,
    fallback_reason text
) returns jsonb
    language sql immutable parallel safe
    return case when routing_type = 'priority_broadcast' then jsonb_strip_nulls(jsonb_build_object(
        'routing_type', routing_type,
        'preferred_mechanic_id', preferred_mechanic_id,
        'priority_notified_at', iso_instant(priority_notified_at),
        'priority_window_minutes', priority_window_minutes,
        'fallback_broadcast_at', iso_instant(fallback_broadcast_at),
        'fallback_reason', fallback_reason
    )) else '{}'::jsonb end;

create function without_priority(metadata jsonb) returns jsonb
    language sql immutable parallel safe
    return metadata - array['routing_type', 'preferred_mechanic_id', 'priority_notified_at',
        'priority_window_minutes', 'fallback_broadcast_at', 'fallback_reason'];

create table session_requests (
    id uuid primary key,
    intake_id uuid not null references intakes,
    customer_id uuid not null references customers,
    plan_code text not null references plans,
    checkout_session_id text,
    payment_intent_id text,

    status text not null,
    stage text,
    due_at timestamptz,

    routing_type text not null,
    preferred_mechanic_id uuid references mechanics,
    chain uuid[] not null,
    chain_windows_s double precision[] not null,
    chain_step smallint,
    reserved_for uuid references mechanics,
    window_shortened boolean not null default false,
    acts_when_offline boolean not null generated always as (coalesce(
        stage = 'reserved' and (policy ->> 'offline' = 'skip'
            or policy ->> 'offline' = 'shorten' and not window_shortened), false)) stored,
    priority_window_minutes numeric,
    priority_notified_at timestamptz,
    fallback_broadcast_at timestamptz,
    fallback_reason text,
    broadcast_at timestamptz,

    matched_mechanic_id uuid references mechanics,
    matched_at timestamptz,
    silent_mechanics uuid[] not null,
    excluded_mechanics uuid[] not null,
    round smallint not null,

    policy jsonb not null,
    metadata jsonb not null,
    version integer not null check (version > 0),
    created_at timestamptz not null,

    constraint one_request_per_checkout_session unique (checkout_session_id),
    constraint status_is_known
        check (status in ('pending', 'matched', 'completed', 'unfilled', 'cancelled')),
    constraint pending_request_has_a_stage
        check ((status = 'pending') = (stage is not null)),
    constraint stage_is_known check (stage in ('reserved', 'open')),
    constraint pending_request_has_a_deadline
        check (status <> 'pending' or due_at is not null),
    constraint only_a_live_request_has_a_deadline
        check (status in ('pending', 'matched') or due_at is null),
    constraint reserved_request_is_held_for_somebody
        check ((stage is not distinct from 'reserved') = (reserved_for is not null)),
    constraint reserved_request_knows_its_step
        check ((reserved_for is null) = (chain_step is null)),
    constraint matched_request_has_a_mechanic
        check ((status in ('matched', 'completed')) = (matched_mechanic_id is not null)),
    constraint match_has_a_time
        check ((matched_mechanic_id is null) = (matched_at is null)),
    constraint open_request_was_broadcast
        check (stage is distinct from 'open' or broadcast_at is not null),
    constraint routing_type_is_known check (routing_type in ('broadcast', 'priority_broadcast')),
    constraint fallback_reason_is_known check (fallback_reason in (
        'no_response', 'declined', 'mechanic_offline', 'mechanic_unavailable', 'mechanic_busy',
        'not_a_favorite', 'customer_skipped', 'operator', 'error')),
    constraint fallback_has_exactly_one_reason
        check ((fallback_broadcast_at is null) = (fallback_reason is null)),
    constraint broadcast_has_nothing_of_priority
        check (routing_type = 'priority_broadcast' or (
            preferred_mechanic_id is null and reserved_for is null
            and priority_notified_at is null and priority_window_minutes is null
            and fallback_reason is null and chain = '{}')),
    constraint window_and_notice_come_together
        check ((priority_notified_at is null) = (priority_window_minutes is null)),
    constraint metadata_mirrors_the_columns
        check (metadata = without_priority(metadata) || priority_metadata(
            routing_type, preferred_mechanic_id, priority_notified_at, priority_window_minutes,
            fallback_broadcast_at, fallback_reason))
) with (fillfactor = 80);

create index due on session_requests (due_at) where due_at is not null;
create index reserved_for on session_requests (reserved_for) where reserved_for is not null;
create index acts_when_offline on session_requests (reserved_for) where acts_when_offline;
create index open_requests on session_requests (created_at) where stage = 'open';
create index requests_of_a_customer on session_requests (customer_id, created_at);
create unique index one_request_per_free_intake
    on session_requests (intake_id) where checkout_session_id is null;
create unique index one_active_match_per_mechanic
    on session_requests (matched_mechanic_id) where status = 'matched';

create table session_events (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    request_id uuid not null references session_requests,
    version integer not null,
    kind text not null,
    at timestamptz not null,
    actor text not null,
    round smallint not null,
    payload jsonb not null,
    eligible uuid[],
    command_key text,
    constraint one_event_per_version unique (request_id, version)
);
comment on table session_events is 'Append-only: the audit trail, the outbox and the replay source.';
comment on column session_events.eligible is 'For a broadcast: who could accept when it committed.';

create unique index feed_order on session_events (xid, id);
create unique index one_broadcast_per_round
    on session_events (request_id, round) where kind = 'request_opened';
create unique index one_match_per_round
    on session_events (request_id, round) where kind = 'request_matched';
create unique index one_effect_per_command_key
    on session_events (request_id, command_key) where command_key is not null;

-- What core.facts holds, except what depends on the customer. Null online_until: off duty.
create view mechanic_facts as
select mechanic.id,
       mechanic.status = 'approved' as approved,
       exists (
           select from session_requests active
           where active.status = 'matched' and active.matched_mechanic_id = mechanic.id) as busy,
       case when presence.on_duty then presence.lease_until end as online_until
from mechanics mechanic
left join presence on presence.mechanic_id = mechanic.id;

-- Who may accept a broadcast. The same rule stands in core.decide; a test holds the two together.
create view eligible_mechanics as
select id from mechanic_facts where approved and not busy;



-- The one allow-list of what a mechanic may see of a request before the match and after it.
create view offer_cards as
select r.id as session_id,
       r.version,
       r.status,
       r.stage,
       r.due_at,
       r.created_at,
       r.reserved_for is not null as priority,
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

-- What a customer may see of their own request.
create view customer_requests as
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
       ) as mechanics_asked
from session_requests r
join intakes intake on intake.id = r.intake_id
join plans plan on plan.code = r.plan_code
left join mechanics asked on asked.id = r.reserved_for
left join mechanics preferred
    on preferred.id = r.preferred_mechanic_id and r.priority_notified_at is not null
left join mechanics matched on matched.id = r.matched_mechanic_id;


-- Switches and received events ---------------------------------------------------------------

create table feature_flags (
    name text primary key,
    enabled boolean not null,
    rollout_percentage smallint not null default 100 check (rollout_percentage between 0 and 100),
    updated_at timestamptz not null default clock()
);

create table feature_flag_changes (
    id bigint generated always as identity primary key,
    name text not null references feature_flags,
    at timestamptz not null default clock(),
    actor text not null,
    was_enabled boolean,
    was_rollout_percentage smallint,
    enabled boolean not null,
    rollout_percentage smallint not null
);

create table stripe_events (
    id text primary key,
    type text not null,
    object_id text not null,
    livemode boolean not null,
    api_version text,
    received_at timestamptz not null default clock(),
    outcome text not null
);
create index stripe_events_that_need_a_person on stripe_events (received_at)
    where outcome like 'quarantined%';
