-- A table as an older system kept it, and the people it names, who are known here already.
create table public.session_requests (
    id uuid primary key,
    customer_id uuid,
    customer_email text,
    mechanic_id uuid,
    status text not null,
    session_type text not null,
    created_at timestamptz not null,
    accepted_at timestamptz,
    updated_at timestamptz,
    metadata jsonb
);

create function public.instant(at timestamptz) returns text
    language sql immutable
    return to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

insert into headstart.customers (id, first_name)
select md5('customer ' || n)::uuid, 'Carla' from generate_series(0, 999) n;
insert into headstart.mechanics (id, name, status)
select md5('mechanic ' || n)::uuid, 'Otto', 'suspended' from generate_series(0, 199) n;
