-- Seen by the database itself, beside the service: when everything became true that the service's
-- own log does not say. Insert only, so that each row's transaction has a commit timestamp.

create schema witness;

create table witness.approvals (
    xid xid8 not null default pg_current_xact_id(), mechanic uuid not null, status text not null
);

create table witness.presences (
    xid xid8 not null default pg_current_xact_id(), mechanic uuid not null,
    on_duty boolean not null, lease_until timestamptz not null
);

create table witness.statements (
    event bigint primary key, began timestamptz not null, stated timestamptz not null
);

create function witness.approval() returns trigger language plpgsql as $$
begin
    insert into witness.approvals (mechanic, status) values (new.id, new.status);
    return null;
end
$$;

create function witness.presence() returns trigger language plpgsql as $$
begin
    insert into witness.presences (mechanic, on_duty, lease_until)
    values (new.mechanic_id, new.on_duty, new.lease_until);
    return null;
end
$$;

create function witness.statement() returns trigger language plpgsql as $$
begin
    insert into witness.statements
    select id, transaction_timestamp(), statement_timestamp() from written;
    return null;
end
$$;

create trigger witness after insert or update of status on headstart.mechanics
    for each row execute function witness.approval();
create trigger witness after insert or update on headstart.presence
    for each row execute function witness.presence();
create trigger witness after insert on headstart.session_events
    referencing new table as written
    for each statement execute function witness.statement();

-- The service writes what it is watched by: the triggers act for whoever made the change.
grant usage on schema witness to headstart_service;
grant insert on all tables in schema witness to headstart_service;
