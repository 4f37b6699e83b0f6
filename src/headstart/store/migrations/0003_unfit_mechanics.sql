-- Who may not be asked is looked for at every sweep: the few, not all.
create index unapproved_mechanics on mechanics (id) where status <> 'approved';
