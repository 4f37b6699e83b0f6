-- Many jobs of one mechanic are played at once, and what is played owes nobody anything.

set local session_replication_role = replica;
drop index headstart.one_active_match_per_mechanic;
