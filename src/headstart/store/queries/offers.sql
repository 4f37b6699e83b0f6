-- offer_history
-- What was offered to the mechanic who asks and is no more, newest first, and what became of it for
-- them.
select mine.session_id, mine.by_name, mine.offered_at, mine.outcome, mine.note,
       card.plan_name, card.minutes, card.vehicle
from headstart.my_offers(:limit::integer, :broadcasts::integer) mine
join headstart.offer_cards card on card.session_id = mine.session_id
order by mine.offered_at desc;

-- was_sent_away
-- Whether the mechanic who asks was set off duty for what they missed, and has not come back.
select coalesce((
    select ended = 'sent_away' from headstart.attendance
    where mechanic_id = headstart.person('mechanic')
    order by since desc
    limit 1), false);

-- offer_notes
-- What was said about the offers of one request, in order; for operators.
select n.at, n.author, n.note, n.mechanic_id, m.name
from headstart.offer_notes n
join headstart.mechanics m on m.id = n.mechanic_id
where n.request_id = :id
order by n.at, n.author;

-- note_offer
-- Why this mechanic said no to this request, if they did. Their last word counts.
insert into headstart.offer_notes (request_id, mechanic_id, author, note)
select :request_id, :mechanic_id, 'mechanic', :note
where exists (
    select from headstart.session_events e
    where e.request_id = :request_id and e.payload ->> 'mechanic' = :mechanic_id::uuid::text
      and (e.kind = 'offer_declined'
           or e.kind = 'reservation_ended' and e.payload ->> 'reason' = 'declined'))
on conflict (request_id, mechanic_id, author) do update
set note = excluded.note, at = excluded.at
returning note;

-- send_away
-- Set off duty whoever has let the last so many windows go by that reached them, one after another
-- and since they came on duty; with the request of the last one. Only those are looked at of whom a
-- window has ended so lately.
with lately as (
    select distinct (payload ->> 'mechanic')::uuid as mechanic_id
    from headstart.session_events
    where kind = 'reservation_ended' and payload ->> 'reason' = 'no_response'
      and actor <> 'import' and at > (select headstart.clock()) - :looking_back::interval
), silent as (
    select there.mechanic_id, (array_agg(judged.request_id order by judged.began_at desc))[1] as last
    from lately
    join headstart.presence there on there.mechanic_id = lately.mechanic_id and there.on_duty
    cross join lateral (
        select w.* from headstart.windows_of(there.mechanic_id, :windows_max::integer) w
        where (w.ending in ('accepted', 'declined') or w.ending = 'no_response' and w.was_there)
          and w.began_at >= (
              select min(came.since) from headstart.attendance came
              where came.mechanic_id = there.mechanic_id
                and came.since > coalesce((
                    select max(gone.since) from headstart.attendance gone
                    where gone.mechanic_id = there.mechanic_id and gone.ended is not null),
                    '-infinity'))
        order by w.began_at desc
        limit :missed::integer) judged
    group by there.mechanic_id
    having count(*) = :missed::integer and bool_and(judged.ending = 'no_response')
)
update headstart.presence there set on_duty = false
from silent
where there.mechanic_id = silent.mechanic_id and there.on_duty
returning there.mechanic_id, silent.last;

-- note_sending_away
-- That it was the system who set them off duty, and after which request.
with noted as (
    insert into headstart.offer_notes (request_id, mechanic_id, author, note)
    select unnest(:requests::uuid[]), unnest(:mechanics::uuid[]), 'system', 'set_off_duty'
    on conflict (request_id, mechanic_id, author) do nothing
)
update headstart.attendance a set ended = 'sent_away'
where a.mechanic_id = any (:mechanics::uuid[]) and a.since = (
    select max(latest.since) from headstart.attendance latest
    where latest.mechanic_id = a.mechanic_id);
