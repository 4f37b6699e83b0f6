-- Ids are random: to compress a list of thousands takes a millisecond of every broadcast, in vain.

alter table session_events alter column eligible set storage external;
