-- When mechanics were there, what was said about an offer, and what became of each: so that a mechanic
-- can be told why they missed one, and nobody goes on being asked who is not listening.

create index concurrently windows_of_a_mechanic
    on headstart.session_events ((payload ->> 'mechanic'), id) where kind = 'request_reserved';
create index concurrently windows_that_ended
    on headstart.session_events (at) where kind = 'reservation_ended';
create index concurrently latest_broadcasts
    on headstart.session_events (id) where kind = 'request_opened' and actor <> 'import';


-- Attendance -----------------------------------------------------------------------------------

create table attendance (
    mechanic_id uuid not null references mechanics,
    since timestamptz not null,
    seen_until timestamptz not null,
    ended text,
    primary key (mechanic_id, since),
    constraint attendance_ends_in_a_known_way check (ended in ('left', 'sent_away')),
    constraint attendance_goes_forward check (seen_until >= since)
) with (fillfactor = 70);
comment on table attendance is
    'When a mechanic was on duty and proved it: one row for each stretch without a gap.';
comment on column attendance.seen_until is 'The last sign of life.';
comment on column attendance.ended is
    'They left duty, or were sent away for offers they missed; null: they go on, or fell silent.';

insert into attendance (mechanic_id, since, seen_until)
select mechanic_id, last_seen, last_seen from presence where on_duty;

-- Every way of coming, going and proving to be there ends in this table, and so is noted here.
create function note_attendance() returns trigger
    language plpgsql set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.on_duty
            and (old.lease_until >= new.last_seen or not new.on_duty) then
        update headstart.attendance
        set seen_until = case when old.lease_until >= new.last_seen  -- else they come back to leave
                then greatest(seen_until, new.last_seen) else seen_until end,
            ended = case when not new.on_duty then 'left' end
        where mechanic_id = new.mechanic_id
          and since = (
              select max(latest.since) from headstart.attendance latest
              where latest.mechanic_id = new.mechanic_id);
    elsif new.on_duty then
        insert into headstart.attendance (mechanic_id, since, seen_until)
        values (new.mechanic_id, new.last_seen, new.last_seen)
        on conflict (mechanic_id, since) do update set ended = null;
    end if;
    return null;
end
$$;
comment on function note_attendance is 'Keeps the table attendance; called by a trigger.';
create trigger attendance_is_noted
    after insert or update of on_duty, last_seen on presence
    for each row execute function note_attendance();


-- Notes about offers ---------------------------------------------------------------------------

create table offer_notes (
    request_id uuid not null references session_requests,
    mechanic_id uuid not null references mechanics,
    author text not null,
    note text not null,
    at timestamptz not null default clock(),
    primary key (request_id, mechanic_id, author),
    constraint a_note_is_by_the_mechanic_or_by_the_system check (author in ('mechanic', 'system')),
    constraint note_is_known check (note in (
        'busy', 'not_my_field', 'too_little_time', 'too_little_pay', 'other', 'set_off_duty')),
    constraint nobody_sends_themselves_away check ((author = 'system') = (note = 'set_off_duty'))
);
comment on table offer_notes is
    'What was said about an offer to a mechanic and moves nothing: why they said no, and that the'
    ' system set them off duty after it.';


-- What became of offers ------------------------------------------------------------------------

-- The rule for "missed" stands here once: who is sent away and what a mechanic reads agree by it.
create function windows_of(of_mechanic uuid, at_most integer)
    returns table (request_id uuid, began_at timestamptz, ending text, was_there boolean)
    language plpgsql stable rows 20 set search_path = '' as $$
#variable_conflict use_column
begin
    return query
    select asked.request_id, asked.at, ended.how,
           exists (
               select from headstart.attendance there
               where there.mechanic_id = of_mechanic
                 and there.since <= coalesce(ended.at, 'infinity')
                 and there.seen_until >= asked.at)
    from headstart.session_events asked
    left join lateral (
        select e.at,
               case
                   when e.kind = 'request_cancelled' then 'cancelled'
                   when e.kind = 'reservation_ended' then e.payload ->> 'reason'
                   when e.actor like 'operator%' then 'assigned'  -- to them, or to another
                   else 'accepted' end as how
        from headstart.session_events e
        where e.request_id = asked.request_id and e.version > asked.version
          and e.kind in ('reservation_ended', 'request_matched', 'request_cancelled')
        order by e.version
        limit 1) ended on true
    where asked.kind = 'request_reserved' and asked.payload ->> 'mechanic' = of_mechanic::text
      and asked.actor <> 'import'
    order by asked.id desc
    limit at_most;
end
$$;
comment on function windows_of is
    'The latest priority windows of a mechanic, newest first: how each ended (null: it runs), and'
    ' whether a sign of life came from them meanwhile.';

create function why_absent(of_mechanic uuid, at_time timestamptz) returns text
    language plpgsql stable set search_path = '' as $$
begin
    return coalesce((
        select case when last.ended is null then 'not_connected' else 'off_duty' end
        from headstart.attendance last
        where last.mechanic_id = of_mechanic and last.since <= at_time
        order by last.since desc
        limit 1), 'off_duty');
end
$$;
comment on function why_absent is 'Off duty, or on duty and silent.';

create function was_assigned(of_request uuid) returns boolean
    language plpgsql stable set search_path = '' as $$
begin
    return coalesce((
        select last.actor like 'operator%'
        from headstart.session_events last
        where last.request_id = of_request and last.kind = 'request_matched'
        order by last.version desc
        limit 1), false);
end
$$;
comment on function was_assigned is 'Whether an operator gave the job to whoever has it.';

-- Of the whole marketplace's latest broadcasts, and of nobody but the one who asks.
create function my_offers(at_most integer, broadcasts integer)
    returns table (session_id uuid, by_name boolean, offered_at timestamptz, outcome text, note text)
    language plpgsql stable rows 50 security definer set search_path = '' as $$
#variable_conflict use_column
declare
    me constant uuid := headstart.person('mechanic');
begin
    return query
    with named as (
        select distinct on (w.request_id) w.request_id, w.began_at, w.ending, w.was_there
        from headstart.windows_of(me, at_most) w
        order by w.request_id, w.began_at desc
    ), opened as (
        select distinct on (e.request_id) e.request_id, e.at
        from (
            select * from headstart.session_events
            where kind = 'request_opened' and actor <> 'import'
            order by id desc limit broadcasts) e
        where me = any (e.eligible) and not coalesce(e.payload -> 'untold' ? me::text, false)
        order by e.request_id, e.at
    ), offered as (
        select request_id, true as by_name, began_at as at, ending, was_there from named
        union all
        select o.request_id, false, o.at, null, exists (
            select from headstart.attendance there
            join headstart.session_requests r on r.id = o.request_id
            where there.mechanic_id = me and there.seen_until >= o.at
              and there.since <= coalesce(r.matched_at, there.since))
        from opened o
        where o.request_id not in (select request_id from named)
    ), judged as (
        select o.request_id, o.by_name, o.at, case
            when r.matched_mechanic_id = me then 'yours'
            when undone.reason is not null then case undone.reason
                when 'released' then 'gave_back' when 'no_show' then 'did_not_come'
                else 'withdrawn' end
            when o.ending = 'declined' or declined.is_so then 'declined'
            when o.ending = 'no_response' then case
                when o.was_there then 'time_was_up' else headstart.why_absent(me, o.at) end
            when o.ending = 'cancelled' then 'withdrawn'
            when o.by_name then o.ending
            when r.status = 'cancelled' then 'withdrawn'
            when r.status = 'pending' then null
            when not o.was_there then headstart.why_absent(me, o.at)
            when r.status = 'unfilled' then 'nobody'
            when headstart.was_assigned(o.request_id) then 'assigned'
            else 'taken' end as outcome
        from offered o
        join headstart.session_requests r on r.id = o.request_id
        left join lateral (
            select e.payload ->> 'reason' as reason from headstart.session_events e
            where e.request_id = o.request_id and e.kind = 'match_released'
              and e.payload ->> 'mechanic' = me::text
            order by e.version desc limit 1) undone on true
        cross join lateral (
            select exists (
                select from headstart.session_events e
                where e.request_id = o.request_id and e.kind = 'offer_declined'
                  and e.payload ->> 'mechanic' = me::text) as is_so) declined
    )
    select j.request_id, j.by_name, j.at, j.outcome, n.note
    from judged j
    left join headstart.offer_notes n
        on n.request_id = j.request_id and n.mechanic_id = me and n.author = 'mechanic'
    where j.outcome is not null
    order by j.at desc
    limit at_most;
end
$$;
comment on function my_offers is
    'What was offered to the mechanic who asks and is no more, and what became of it for them.'
    ' Never who else, nor when.';

-- The plan's message says "a customer you helped before". It is said where it is true.
create function helped_before(session_id uuid) returns boolean
    language plpgsql stable security definer set search_path = '' as $$
begin
    return exists (
        select from headstart.session_requests asked
        join headstart.session_requests past
            on past.customer_id = asked.customer_id
            and past.matched_mechanic_id = asked.reserved_for and past.status = 'completed'
        where asked.id = session_id
          and asked.reserved_for = coalesce(headstart.person('mechanic'), asked.reserved_for));
end
$$;
comment on function helped_before is
    'Whether the mechanic who is asked alone has done a job of this customer. To a mechanic it'
    ' speaks of themselves only.';

create or replace view offer_cards with (security_invoker = true) as
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
       intake.specialist,
       case when r.stage = 'reserved' then helped_before(r.id) else false end as helped_before
from session_requests r
join intakes intake on intake.id = r.intake_id
join plans plan on plan.code = r.plan_code
join customers customer on customer.id = r.customer_id;


-- The wall ---------------------------------------------------------------------------------------

do $$
declare
    one text;
begin
    if to_regrole('headstart_service') is null then
        return;
    end if;
    foreach one in array array['attendance', 'offer_notes'] loop
        execute format('alter table headstart.%I enable row level security', one);
        execute format('alter table headstart.%I force row level security', one);
        execute format('create policy service on headstart.%I to headstart_service'
                       ' using (true) with check (true)', one);
        execute format('create policy mechanic on headstart.%I for select to headstart_mechanic'
                       ' using (mechanic_id = (select headstart.person(''mechanic'')))', one);
        execute format('create policy operator on headstart.%I for select to headstart_operator'
                       ' using ((select headstart.person(''operator'')) is not null)', one);
        execute format('create policy reporting on headstart.%I for select to headstart_reporting'
                       ' using (true)', one);
        execute format('grant select on headstart.%I to headstart_service, headstart_mechanic,'
                       ' headstart_operator, headstart_reporting', one);
    end loop;
    grant insert, update (seen_until, ended) on attendance to headstart_service;
    grant insert, update (note, at) on offer_notes to headstart_service;

    revoke execute on function note_attendance, windows_of, why_absent, was_assigned, my_offers,
        helped_before from public;
    grant execute on function windows_of, helped_before to headstart_service;
    grant execute on function my_offers, helped_before to headstart_mechanic;
    grant execute on function helped_before to headstart_operator;
end
$$;
