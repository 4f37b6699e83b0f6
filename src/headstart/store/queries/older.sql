-- older_table
-- A table of an older system; whether this account may read it, and in the order of its key.
select format('%I.%I', n.nspname, t.relname) as name,
       greatest(t.reltuples, 0)::bigint as rows,
       n.nspname = 'headstart' as is_ours,
       has_table_privilege(t.oid, 'select') as may_read,
       exists (
           select from pg_attribute a
           join pg_index i on i.indrelid = t.oid and i.indkey[0] = a.attnum
           where a.attrelid = t.oid and a.attname = 'id' and a.attnotnull
             and i.indisunique and i.indisvalid and i.indnkeyatts = 1 and i.indpred is null
       ) as has_key
from pg_class t
join pg_namespace n on n.oid = t.relnamespace
where t.oid = to_regclass(:source::text) and t.relkind in ('r', 'p');

-- older_page
-- The next rows of an older table, in the order of its key.
select key, whole from headstart.older_requests(:source::text::regclass, :after::text, :limit);

-- older_existing
-- Which of these requests and people are there already.
select array(select id from headstart.session_requests where id = any (:requests::uuid[]))
           as requests,
       array(select id from headstart.customers where id = any (:people::uuid[])) as customers,
       array(select id from headstart.mechanics where id = any (:people::uuid[])) as mechanics;

-- plan_codes
-- Every plan, on sale or not.
select code from headstart.plans;

-- transaction_bounds
-- For this transaction only, and the owner's own view of every table: rows that a policy would hide
-- are an error.
select set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true),
       set_config('row_security', :row_security, true);

-- keep_past
-- Requests that ended in an older system, with the intakes and events that must stand behind them;
-- those that are there already are left alone. Who could have accepted then, nobody knows.
with n as materialized (
    select * from jsonb_populate_recordset(null::headstart.session_requests, :requests::jsonb)
), asked as (
    insert into headstart.intakes (
        id, customer_id, plan_code, amount, currency, routing_type, preferred_mechanic_ids,
        specialist, urgent, concern, vehicle, status, fingerprint, created_at)
    select n.intake_id, n.customer_id, n.plan_code, 0, plan.currency, n.routing_type, n.chain,
           false, false, '', '', 'paid', 'import', n.created_at
    from n
    join headstart.plans plan on plan.code = n.plan_code
    order by n.intake_id
    on conflict (id) do nothing
), written as (
    insert into headstart.session_requests (
        id, intake_id, customer_id, plan_code, status, routing_type, preferred_mechanic_id, chain,
        chain_windows_s, priority_window_minutes, priority_notified_at, fallback_broadcast_at,
        fallback_reason, broadcast_at, matched_mechanic_id, matched_at, silent_mechanics,
        excluded_mechanics, round, policy, metadata, version, created_at)
    select n.id, n.intake_id, n.customer_id, n.plan_code, n.status, n.routing_type,
           n.preferred_mechanic_id, n.chain, n.chain_windows_s, n.priority_window_minutes,
           n.priority_notified_at, n.fallback_broadcast_at, n.fallback_reason, n.broadcast_at,
           n.matched_mechanic_id, n.matched_at, n.silent_mechanics, n.excluded_mechanics, n.round,
           n.policy,
           n.metadata || headstart.priority_metadata(
               n.routing_type, n.preferred_mechanic_id, n.priority_notified_at,
               n.priority_window_minutes, n.fallback_broadcast_at, n.fallback_reason),
           n.version, n.created_at
    from n
    order by n.id
    on conflict do nothing
    returning id
)
insert into headstart.session_events (request_id, version, kind, at, actor, round, payload)
select e.request_id, e.version, e.kind, e.at, e.actor, e.round, e.payload::jsonb
from unnest(
    :request_id::uuid[], :version::integer[], :kind::text[], :at::timestamptz[], :actor::text[],
    :round::smallint[], :payload::text[])
as e (request_id, version, kind, at, actor, round, payload)
join written on written.id = e.request_id
order by e.request_id, e.version;

-- forget_unreadable
-- What was reported of rows that are being read again, as far as it is no longer so.
delete from headstart.backfill_report old
where old.source = :source and old.row_key = any (:rows::text[])
  and not exists (
      select from unnest(:row_key::text[], :key::text[]) as new (row_key, key)
      where new.row_key = old.row_key and new.key = old.key);

-- report_unreadable
-- Values that could not be taken over, each with the reason; what is reported already stays.
insert into headstart.backfill_report as old (source, row_key, key, value, why, left_out)
select :source, new.row_key, new.key, new.value, new.why, new.left_out
from unnest(:row_key::text[], :key::text[], :value::text[], :why::text[], :left_out::boolean[])
    as new (row_key, key, value, why, left_out)
order by new.row_key, new.key
on conflict (source, row_key, key) do update
set value = excluded.value, why = excluded.why, left_out = excluded.left_out
where (old.value, old.why, old.left_out)
    is distinct from (excluded.value, excluded.why, excluded.left_out);

-- reported_unreadable
-- The report, in the order of row and key, after a place.
select row_key as row, key, value, why, left_out
from headstart.backfill_report
where source = :source and (row_key, key) > (:after_row::text, :after_key::text)
order by row_key, key
limit :limit;

-- unreadable_summary
-- How much of an older table is in the report, and why.
select key, why, left_out, count(*) as times
from headstart.backfill_report
where source = :source
group by key, why, left_out
order by times desc, key, why;

-- strain
-- Programs that wait for a lock or run a statement for long, and deadlines that are late.
select (
    select count(*)
    from pg_stat_activity a
    where a.datname = current_database() and a.backend_type = 'client backend'
      and a.pid <> pg_backend_pid() and a.state = 'active'
      and (a.wait_event_type = 'Lock'
           or clock_timestamp() - a.query_start > make_interval(secs => :slow_s))
) + (
    select count(*)
    from headstart.session_requests
    where due_at < (select headstart.clock()) - make_interval(secs => :late_s)
);
