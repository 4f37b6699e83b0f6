-- begin_sign_in
-- A page session.
insert into headstart.sign_ins (key, role, person_id, issuer, subject, lapses_at, ends_at)
select :key, :role, :person_id, :issuer, :subject,
       now + least(:idle::interval, :at_most::interval), now + :at_most::interval
from (select clock_timestamp() as now) real;

-- sign_in
-- A page session by its key, with whether its use is to be noted.
select role, person_id, issuer, subject, began_at, ends_at,
       lapses_at < least(ends_at, clock_timestamp() + :idle::interval - :noted_every::interval)
           as to_be_noted
from headstart.sign_ins where key = :key;

-- note_use
-- A page session that is used lapses later.
update headstart.sign_ins set lapses_at = least(ends_at, clock_timestamp() + :idle::interval)
where key = :key and ended_at is null and lapses_at > clock_timestamp();

-- end_sign_in
-- This page session is over.
update headstart.sign_ins set ended_at = clock_timestamp() where key = :key and ended_at is null;

-- sign_out_login
-- Everything issued to this login until now is over.
insert into headstart.logins (issuer, subject, signed_out_at)
values (:issuer, :subject, clock_timestamp())
on conflict (issuer, subject) do update
set signed_out_at = excluded.signed_out_at, changed_at = clock_timestamp();

-- endings
-- Which of these credentials are not good any more, and why. What is good is left out.
select place, ending
from (
    select asked.place, case
        when asked.sign_in is not null and (s.key is null or s.ended_at is not null)
            then 'signed_out'
        when s.lapses_at <= clock_timestamp() then 'expired'
        when l.disabled then 'disabled'
        when l.signed_out_at >= asked.issued_at then 'signed_out'
        when l.person_id <> asked.person_id or l.role <> asked.role then 'reassigned'
        when m.status = 'suspended' then 'suspended'
    end as ending
    from unnest(:sign_ins::bytea[], :issuers::text[], :subjects::text[], :roles::text[],
        :people::uuid[], :issued::timestamptz[]) with ordinality
        as asked (sign_in, issuer, subject, role, person_id, issued_at, place)
    left join headstart.sign_ins s on s.key = asked.sign_in
    left join headstart.logins l on l.issuer = asked.issuer and l.subject = asked.subject
    left join headstart.mechanics m on asked.role = 'mechanic' and m.id = asked.person_id
) judged
where ending is not null;

-- known_login
-- A login of the table.
select issuer, subject, role, person_id, disabled, signed_out_at
from headstart.logins where issuer = :issuer and subject = :subject;

-- known_logins
-- A page of the table.
select issuer, subject, role, person_id, disabled, signed_out_at
from headstart.logins where (issuer, subject) > (:issuer, :subject)
order by issuer, subject limit :limit;

-- put_login
-- For whom a login speaks, whether it may, and whether what was issued to it is over.
with before as (
    select * from headstart.logins where issuer = :issuer and subject = :subject for update
), put as (
    insert into headstart.logins (issuer, subject, role, person_id, disabled, signed_out_at)
    select :issuer, :subject, :role::text, :person_id::uuid, :disabled,
           case when :sign_out then clock_timestamp() end
    from (select count(*) from before) first
    on conflict (issuer, subject) do update
    set role = excluded.role, person_id = excluded.person_id, disabled = excluded.disabled,
        signed_out_at = coalesce(excluded.signed_out_at, logins.signed_out_at),
        changed_at = clock_timestamp()
    returning *
)
insert into headstart.operator_actions (actor, action, subject, was, became, reason)
select :actor, 'put_login', put.issuer || ' ' || put.subject,
       case when before.issuer is not null then jsonb_build_object(
           'role', before.role, 'person_id', before.person_id, 'disabled', before.disabled) end,
       jsonb_build_object('role', put.role, 'person_id', put.person_id,
           'disabled', put.disabled, 'signed_out', :sign_out), :reason
from put left join before on true;

-- forget_ended_sign_ins
-- Drop page sessions that ended long ago, a few at a time.
delete from headstart.sign_ins
where key = any (array(
    select key from headstart.sign_ins
    where ends_at < clock_timestamp() - :older_than::interval order by ends_at limit :limit));
