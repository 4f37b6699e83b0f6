-- Every request as it was after one more commit; $1: the rows.

update headstart.session_requests r
set status = n.status, stage = n.stage, due_at = n.due_at, chain_step = n.chain_step,
    reserved_for = n.reserved_for, broadcast_at = n.broadcast_at,
    matched_mechanic_id = n.matched_mechanic_id, matched_at = n.matched_at,
    silent_mechanics = n.silent_mechanics, excluded_mechanics = n.excluded_mechanics,
    priority_window_minutes = n.priority_window_minutes,
    priority_notified_at = n.priority_notified_at,
    fallback_broadcast_at = n.fallback_broadcast_at, fallback_reason = n.fallback_reason,
    version = n.version,
    metadata = headstart.without_priority(r.metadata) || headstart.priority_metadata(
        r.routing_type, r.preferred_mechanic_id, n.priority_notified_at,
        n.priority_window_minutes, n.fallback_broadcast_at, n.fallback_reason)
from jsonb_populate_recordset(null::headstart.session_requests, $1::jsonb) n
where r.id = n.id
