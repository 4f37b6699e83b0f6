-- How often the favourite who is being asked was given more time.

alter table session_requests add column window_extensions smallint not null default 0;
comment on column session_requests.window_extensions is
    'Of the window that runs now; zero when nobody is asked alone.';

-- The wall: the service writes it, and reports may count it.
do $$
begin
    if to_regrole('headstart_service') is null then
        return;
    end if;
    grant update (window_extensions) on session_requests to headstart_service;
    grant select (window_extensions) on session_requests to headstart_reporting;
end
$$;
