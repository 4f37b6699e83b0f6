-- So many rows: $1. Which is which follows from their number; every 25th is made so that it can be
-- broken afterwards, in each of the ways of planted.py in turn.
with numbered as (
    select n, n % 25 = 0 as broken, n % 10 as shape,
           now() - interval '3 days' - n * interval '30 s' as made,
           md5('customer ' || n % 1000)::uuid as customer,
           md5('mechanic ' || n % 200)::uuid as favorite,
           md5('mechanic ' || (n + 1) % 200)::uuid as other
    from generate_series(1, $1::integer) n
), shaped as (
    select *, case when broken then 5 when n % 1000 in (7, 8) then n % 1000 + 3 else shape end
           as kind
    from numbered
)
insert into public.session_requests
select md5('request ' || n)::uuid, customer, 'canary.' || n || '@example.test',
       case when kind in (0, 1, 2, 5, 9) then other when kind in (3, 4) then favorite end,
       case when kind in (6, 8) then 'expired' when kind = 7 then 'cancelled'
            when kind in (10, 11) then 'pending' else 'accepted' end,
       case n % 3 when 0 then 'chat' when 1 then 'video' else 'diagnostic' end,
       case kind when 10 then now() - interval '5 minutes' else made end,
       case when kind in (0, 1, 2, 3, 4, 9) then made + interval '4 minutes'
            when kind = 5 then made + interval '12 minutes' end,
       made + interval '20 minutes',
       case when kind in (0, 1, 6, 7, 10, 11) then '{}'
            when kind = 2 then '{"source": "web"}'
            when kind = 9 then jsonb_build_object('customer_email', 'canary@example.test')
            else jsonb_build_object(
                'routing_type', 'priority_broadcast', 'preferred_mechanic_id', favorite,
                'priority_notified_at', public.instant(made + interval '1 second'),
                'priority_window_minutes', 10)
            end
       || case when kind = 5 then jsonb_build_object(
                'fallback_broadcast_at', public.instant(made + interval '10 minutes 1 second'),
                'fallback_reason', 'no_response') else '{}' end
from shaped;
