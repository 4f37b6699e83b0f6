-- operator_actions
-- What operators did that is no event of a request, newest first.
select id, at, actor, action, subject, was, became, reason
from headstart.operator_actions order by id desc limit :limit;

-- newest_checkpoint
-- The last statement about the trail, and what time it is.
select coalesce(note, '') as note, headstart.iso_instant(now) as now,
       coalesce(extract(epoch from now - at), 0)::double precision as age_s
from (select headstart.clock() as now) clock
left join (
    select note, at from headstart.audit_checkpoints order by number desc limit 1) newest on true;

-- keep_checkpoint
-- One more statement, unless another process made it.
insert into headstart.audit_checkpoints (number, note) values (:number, :note)
on conflict (number) do nothing
returning number;

-- hashes_after
-- What the next events are known by, in an order that no late commit can change.
select e.xid, e.id, e.hash
from headstart.session_events e
where (e.xid, e.id) > (:xid::text::xid8, :id::bigint)
  and e.xid < headstart.log_number(pg_snapshot_xmin(pg_current_snapshot()))
order by e.xid, e.id
limit :limit;

-- chain_ends
-- How far the chains reach that run through a whole table.
(select 'operator_actions' as name, id, hash
 from headstart.operator_actions order by id desc limit 1)
union all
(select 'feature_flag_changes', id, hash
 from headstart.feature_flag_changes order by id desc limit 1);

-- unchanging
-- From here on everything is seen as it is now.
set transaction isolation level repeatable read, read only;

-- audited_requests
-- Every row, with what its other columns must be, by the rules of the schema.
select r.*, r.policy::text as policy_text,
       r.metadata = headstart.without_priority(r.metadata) || headstart.priority_metadata(
           r.routing_type, r.preferred_mechanic_id, r.priority_notified_at,
           r.priority_window_minutes, r.fallback_broadcast_at, r.fallback_reason) as mirrored
from headstart.session_requests r
order by r.id;

-- audited_events
-- Every event, request by request.
select id, xid, request_id, version, kind, at, actor, round, payload::text as payload,
       array_send(eligible) as eligible, eligible_digest, command_key, reason, hash
from headstart.session_events
order by request_id, version;

-- logged_hashes
-- Every event by its hash, in the order of the log.
select xid, id, hash from headstart.session_events order by xid, id;

-- audited_actions
-- Everything operators did.
select id, at, actor, action, subject, was::text as was, became::text as became, reason, hash
from headstart.operator_actions order by id;

-- audited_flag_changes
-- Every change of a switch.
select id, at, actor, name, was_enabled, was_rollout_percentage, enabled, rollout_percentage,
       reason, hash
from headstart.feature_flag_changes order by id;

-- audited_checkpoints
-- Every checkpoint.
select number, note from headstart.audit_checkpoints order by number;

-- checkpoints_among
-- These checkpoints.
select number, note from headstart.audit_checkpoints where number = any (:numbers::bigint[]);

-- triggers_of_the_schema
-- Every trigger, and when it fires: A always, O unless replicating, D never.
select t.relname as table_name, g.tgname as name, g.tgenabled::text as enabled
from pg_trigger g join pg_class t on t.oid = g.tgrelid
where t.relnamespace = 'headstart'::regnamespace and not g.tgisinternal;

-- tables_of_the_schema
-- Every table, and whether its rows are guarded.
select relname as name, relrowsecurity and relforcerowsecurity as guarded
from pg_class where relnamespace = 'headstart'::regnamespace and relkind = 'r';

-- powers
-- What the service's role could do that it must not.
select current_user::text as role, r.rolsuper or r.rolbypassrls as unbound,
       array(
           select name || ': ' || verb
           from unnest(:tables::text[]) as name, unnest(array['update', 'delete', 'truncate']) verb
           where has_table_privilege('headstart.' || name, verb)) as too_much
from pg_roles r where r.rolname = current_user;

-- overdue
-- How many deadlines have passed long ago, and how long the first.
select count(*) as number,
       extract(epoch from headstart.clock() - min(due_at))::double precision as late_s
from headstart.session_requests
where due_at < (select headstart.clock()) - :patience::interval;

-- stuck_operations
-- What is owed at the payment service and does not get done, and what needs a person.
select count(*) filter (where due_at < (select headstart.clock()) - :patience::interval) as stuck,
       count(*) filter (where state = 'refused') as refused
from headstart.stripe_operations
where due_at is not null or state = 'refused';

-- log_is_ahead
-- Whether the log has numbers of transactions that this server has not given out yet.
select coalesce((
    select xid >= headstart.log_number(pg_snapshot_xmax(pg_current_snapshot()))
    from headstart.session_events order by xid desc, id desc limit 1), false);

-- real_clock
-- The server's own time, and how far the test clock runs ahead of it.
select clock_timestamp() as now, (select ahead from headstart.test_clock) as ahead;
