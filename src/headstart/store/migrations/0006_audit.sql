-- The audit trail: what is written stays, each entry carries the hash of the one before it, and who
-- acts for the house says why.

alter table session_events
    add column reason text,
    add column eligible_digest bytea,
    add column hash bytea;
alter table feature_flag_changes add column reason text, add column hash bytea;
comment on column session_events.reason is 'Why, in the words of the operator who ordered it.';
comment on column session_events.eligible_digest is
    'Of eligible. One statement asks everybody of many requests: it is computed once for all.';
comment on column session_events.hash is 'SHA-256 of this event and of the hash before it.';

create table operator_actions (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock(),
    actor text not null,
    action text not null,
    subject text not null,
    was jsonb,
    became jsonb,
    reason text not null,
    hash bytea not null,
    constraint action_has_a_reason check (char_length(reason) between 1 and 500),
    constraint what_was_and_is_are_objects
        check (jsonb_typeof(was) = 'object' and jsonb_typeof(became) = 'object')
);
comment on table operator_actions is
    'What operators did that is no event of a request: append-only. Never contact data.';

create table audit_checkpoints (
    number bigint primary key check (number > 0),
    at timestamptz not null default clock(),
    note text not null
);
comment on table audit_checkpoints is
    'Signed statements of what the trail held at a time. The copies elsewhere are what counts.';


-- The canonical forms: JSON arrays, written as PostgreSQL writes json, in UTF-8. app/audit makes the
-- same in Python, and a test holds the two together. A change here needs a new form, never another
-- meaning of this one.

create function microseconds(at timestamptz) returns bigint
    language sql immutable parallel safe
    return (extract(epoch from at) * 1000000)::bigint;

create function eligible_digest(eligible uuid[]) returns bytea
    language sql stable parallel safe
    return sha256(array_send(eligible));

create function event_hash(e session_events, previous bytea) returns bytea
    language sql stable parallel safe
    return sha256(convert_to(json_build_array(
        encode(previous, 'hex'), e.id, e.xid::text, e.request_id, e.version, e.kind,
        microseconds(e.at), e.actor, e.round, e.payload, encode(e.eligible_digest, 'hex'),
        e.command_key, e.reason)::text, 'UTF8'));

create function operator_action_hash(a operator_actions, previous bytea) returns bytea
    language sql stable parallel safe
    return sha256(convert_to(json_build_array(
        encode(previous, 'hex'), a.id, microseconds(a.at), a.actor, a.action, a.subject, a.was,
        a.became, a.reason)::text, 'UTF8'));

create function flag_change_hash(c feature_flag_changes, previous bytea) returns bytea
    language sql stable parallel safe
    return sha256(convert_to(json_build_array(
        encode(previous, 'hex'), c.id, microseconds(c.at), c.actor, c.name, c.was_enabled,
        c.was_rollout_percentage, c.enabled, c.rollout_percentage, c.reason)::text, 'UTF8'));


-- What there is already is chained as it stands.

do $$
declare
    event headstart.session_events;
    before headstart.session_events;
    change headstart.feature_flag_changes;
    previous bytea;
begin
    for event in select * from headstart.session_events order by request_id, version loop
        previous := case when event.version > 1 then before.hash end;
        event.eligible_digest := headstart.eligible_digest(event.eligible);
        event.hash := headstart.event_hash(event, previous);
        update headstart.session_events
        set hash = event.hash, eligible_digest = event.eligible_digest where id = event.id;
        before := event;
    end loop;
    previous := null;
    for change in select * from headstart.feature_flag_changes order by id loop
        previous := headstart.flag_change_hash(change, previous);
        update headstart.feature_flag_changes set hash = previous where id = change.id;
    end loop;
end
$$;

alter table session_events
    alter column hash set not null,
    add constraint operator_says_why
        check (reason is not null or actor not like 'operator%') not valid,
    add constraint who_was_asked_has_a_digest
        check ((eligible is null) = (eligible_digest is null)),
    add constraint reason_is_bounded check (char_length(reason) between 1 and 500);
alter table feature_flag_changes
    alter column hash set not null,
    add constraint change_has_a_reason check (char_length(reason) between 1 and 500),
    add constraint flag_change_says_why check (reason is not null) not valid;


-- Every entry is chained by whoever writes it, also by hand.

create function chain_event() returns trigger
    language plpgsql as $$
declare
    previous bytea;
begin
    if new.version > 1 then
        select hash into strict previous from headstart.session_events
        where request_id = new.request_id and version = new.version - 1;
    end if;
    if new.eligible_digest is null then
        new.eligible_digest := headstart.eligible_digest(new.eligible);
    end if;
    new.hash := headstart.event_hash(new, previous);
    return new;
end
$$;
comment on function chain_event is 'An event without the one before it is refused.';

create function one_after_the_other() returns trigger
    language plpgsql as $$
begin
    perform pg_advisory_xact_lock(tg_relid::integer, 0);  -- taken before an id is given out
    return null;
end
$$;

create function chain_operator_action() returns trigger
    language plpgsql as $$
begin
    new.hash := headstart.operator_action_hash(new, (
        select hash from headstart.operator_actions order by id desc limit 1));
    return new;
end
$$;

create function chain_flag_change() returns trigger
    language plpgsql as $$
begin
    new.hash := headstart.flag_change_hash(new, (
        select hash from headstart.feature_flag_changes order by id desc limit 1));
    return new;
end
$$;

create trigger chain before insert on session_events
    for each row execute function chain_event();
create trigger one_after_the_other before insert on operator_actions
    for each statement execute function one_after_the_other();
create trigger chain before insert on operator_actions
    for each row execute function chain_operator_action();
create trigger one_after_the_other before insert on feature_flag_changes
    for each statement execute function one_after_the_other();
create trigger chain before insert on feature_flag_changes
    for each row execute function chain_flag_change();


-- What is written stays: for the owner, too, and in every replication role.

create function refuse_to_forget() returns trigger
    language plpgsql as $$
begin
    raise exception '% is append-only: it cannot be changed or emptied', tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger append_only before update or delete or truncate on session_events
    for each statement execute function refuse_to_forget();
create trigger append_only before update or delete or truncate on operator_actions
    for each statement execute function refuse_to_forget();
create trigger append_only before update or delete or truncate on feature_flag_changes
    for each statement execute function refuse_to_forget();
create trigger append_only before update or delete or truncate on audit_checkpoints
    for each statement execute function refuse_to_forget();

alter table session_events enable always trigger chain, enable always trigger append_only;
alter table operator_actions enable always trigger one_after_the_other,
    enable always trigger chain, enable always trigger append_only;
alter table feature_flag_changes enable always trigger one_after_the_other,
    enable always trigger chain, enable always trigger append_only;
alter table audit_checkpoints enable always trigger append_only;


-- The walls of the new tables: operators read, the service adds, nobody changes.

alter table operator_actions enable row level security, force row level security;
alter table audit_checkpoints enable row level security, force row level security;
create policy service on operator_actions to headstart_service using (true) with check (true);
create policy service on audit_checkpoints to headstart_service using (true) with check (true);
create policy operator on operator_actions for select to headstart_operator
    using ((select headstart.person('operator')) is not null);
create policy operator on audit_checkpoints for select to headstart_operator
    using ((select headstart.person('operator')) is not null);
grant select, insert on operator_actions, audit_checkpoints to headstart_service;
grant select on operator_actions, audit_checkpoints to headstart_operator;
revoke execute on function microseconds, eligible_digest, event_hash, operator_action_hash,
    flag_change_hash from public;
grant execute on function microseconds, eligible_digest, event_hash, operator_action_hash,
    flag_change_hash to headstart_service;
