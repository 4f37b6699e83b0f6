-- Who has dismissed which trouble about money, when and why. A row changes nothing about the money:
-- the trouble is only not shown any more.

create table trouble_dismissals (
    trouble_id text primary key,
    trouble text not null,
    subject text not null,
    detail text,
    at timestamptz not null default clock(),
    actor text not null,
    reason text not null,
    constraint a_dismissal_has_a_reason check (length(btrim(reason)) between 1 and 500)
);
comment on table trouble_dismissals is 'Troubles about money that somebody has seen to, and why.';
create index dismissals_by_time on trouble_dismissals (at);

-- The wall of every table, where it stands: operators read, the service adds, nobody changes.
do $$
begin
    if to_regrole('headstart_service') is null then
        return;
    end if;
    alter table trouble_dismissals enable row level security;
    alter table trouble_dismissals force row level security;
    create policy service on trouble_dismissals to headstart_service
        using (true) with check (true);
    grant select, insert on trouble_dismissals to headstart_service;
    create policy operator on trouble_dismissals for select to headstart_operator
        using ((select headstart.person('operator')) is not null);
    grant select on trouble_dismissals to headstart_operator;
end
$$;
