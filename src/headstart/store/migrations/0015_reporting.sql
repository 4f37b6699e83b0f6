-- What operators write in their own words is no figure.

revoke select on feature_flag_changes from headstart_reporting;
grant select (id, name, at, actor, was_enabled, was_rollout_percentage, enabled, rollout_percentage)
    on feature_flag_changes to headstart_reporting;
