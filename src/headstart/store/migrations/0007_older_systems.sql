-- The past of an older system: how its rows are read, what could not be read, and that nobody is
-- told of it as news.

-- The favourite's column is a foreign key, and what figures about favourites begin with.
create index concurrently requests_of_a_favorite
    on headstart.session_requests (preferred_mechanic_id, created_at)
    where preferred_mechanic_id is not null;

-- The feed reads what has happened here. What is taken over from elsewhere is history, not news, and
-- a million old events must not be read past for one new one.
create unique index concurrently news_order
    on headstart.session_events (xid, id) where actor <> 'import';

create table backfill_report (
    source text not null,
    row_key text not null,
    key text not null,
    value text not null,
    why text not null,
    left_out boolean not null,
    found_at timestamptz not null default clock_timestamp(),
    primary key (source, row_key, key)
);
comment on table backfill_report is
    'What of an older system could not be taken over, as it stood there. May hold personal data.';
comment on column backfill_report.left_out is 'The whole row was: there is no such request here.';

alter table backfill_report enable row level security;
alter table backfill_report force row level security;
-- The account that owns the tables writes it: it has the rights of the service, too.
create policy service on backfill_report to headstart_service using (true) with check (true);
grant select on backfill_report to headstart_service;
create policy operator on backfill_report for select to headstart_operator
    using ((select headstart.person('operator')) is not null);
grant select on backfill_report to headstart_operator;

-- Any table with a key called id, whatever else it has; a row as JSON.
create function older_requests(source regclass, after text, at_most integer)
    returns table (key text, whole jsonb)
    language plpgsql stable as $$
declare
    key_type text := (
        select format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = source and attname = 'id');
begin
    return query execute format(
        'select t.id::text, to_jsonb(t) from %s t %s order by t.id limit $2', source,
        case when after is not null then format('where t.id > $1::%s', key_type) else '' end)
    using after, at_most;
end
$$;
comment on function older_requests is 'The next rows of an older table, in the order of its key.';
revoke execute on function older_requests from public;
