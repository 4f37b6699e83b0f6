-- offer_figures
-- How the turns of favourites ended that began in a span, and after how long: in all, and by plan, by
-- mechanic and by day (UTC).
select case when grouping(plan_code) = 0 then 'plan'
            when grouping(mechanic_id) = 0 then 'mechanic'
            when grouping(day) = 0 then 'day'
            else 'all' end as of,
       coalesce(plan_code, mechanic_id::text, day::text, '') as key,
       ending,
       count(*) as n,
       percentile_cont(array[0.5, 0.9]) within group (
           order by extract(epoch from ended_at - offered_at)) as after_s
from (
    select *, (offered_at at time zone 'utc')::date as day
    from headstart.priority_offers
    where offered_at >= :begin and offered_at < :end) offer
group by grouping sets (
    (ending), (plan_code, ending), (mechanic_id, ending), (day, ending));

-- request_figures
-- What became of the requests made in a span, and how long until a mechanic accepted first: in all,
-- and by plan and by day (UTC).
select case when grouping(plan_code) = 0 then 'plan'
            when grouping(day) = 0 then 'day'
            else 'all' end as of,
       coalesce(plan_code, day::text, '') as key,
       count(*) as requests,
       count(*) filter (where asked_first) as asked_first,
       count(*) filter (where fell_back_at is not null) as fell_back,
       count(first_matched_at) as ever_matched,
       count(*) filter (where matched_first) as matched_first,
       count(*) filter (where outcome = 'matched') as matched,
       count(*) filter (where outcome = 'unfilled') as unfilled,
       count(*) filter (where outcome = 'cancelled') as cancelled,
       count(*) filter (where outcome in ('reserved', 'open')) as pending,
       percentile_cont(array[0.5, 0.9]) within group (
           order by extract(epoch from first_matched_at - requested_at)) as match_s
from (
    select *, (requested_at at time zone 'utc')::date as day
    from headstart.request_outcomes
    where requested_at >= :begin and requested_at < :end) request
group by grouping sets ((), (plan_code), (day));

-- note_figures
-- What was noted about offers in a span: why mechanics said no, and how many were set off duty.
select note, count(*) as n from headstart.offer_notes
where at >= :begin and at < :end
group by note
order by n desc, note;

-- fallback_figures
-- Why everybody was asked after all, of the requests made in a span, the most frequent reason first.
select fallback_reason as reason, count(*) as n
from headstart.request_outcomes
where requested_at >= :begin and requested_at < :end and fell_back_at is not null
group by fallback_reason
order by n desc, reason;
