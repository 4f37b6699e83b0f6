-- Many jobs of one mechanic are played at once, and what is played owes nobody anything. Everybody
-- is approved: an order to suspend that was held up on its way may be the last that was obeyed.

set local session_replication_role = replica;
drop index headstart.one_active_match_per_mechanic;
update headstart.mechanics set status = 'approved' where status <> 'approved';
