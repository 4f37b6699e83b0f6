-- Who may speak for whom: accounts at identity providers, and the page sessions they began. Times
-- here are real ones: sign-ins do not follow the test clock.

create table logins (
    issuer text not null,
    subject text not null,
    role text,
    person_id uuid,
    customer_id uuid generated always as (case when role = 'customer' then person_id end) stored
        references customers,
    mechanic_id uuid generated always as (case when role = 'mechanic' then person_id end) stored
        references mechanics,
    disabled boolean not null default false,
    signed_out_at timestamptz,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (issuer, subject),
    constraint login_role_is_known check (role in ('customer', 'mechanic', 'operator')),
    constraint login_speaks_for_somebody_in_a_role check ((role is null) = (person_id is null))
);
comment on table logins is
    'Accounts at identity providers. One that is known by its claims has a row only when it was'
    ' disabled or signed out.';
comment on column logins.subject is 'The login''s id there; never a customer''s or mechanic''s own.';
comment on column logins.signed_out_at is 'What was issued until then is not good any more.';
create index logins_of_a_person on logins (person_id);

create table sign_ins (
    key bytea primary key,
    role text not null,
    person_id uuid not null,
    customer_id uuid generated always as (case when role = 'customer' then person_id end) stored
        references customers,
    mechanic_id uuid generated always as (case when role = 'mechanic' then person_id end) stored
        references mechanics,
    issuer text,
    subject text,
    began_at timestamptz not null default clock_timestamp(),
    lapses_at timestamptz not null,
    ends_at timestamptz not null,
    ended_at timestamptz,
    constraint sign_in_key_is_a_digest check (octet_length(key) = 32),
    constraint sign_in_role_is_known check (role in ('customer', 'mechanic', 'operator')),
    constraint a_login_has_issuer_and_subject check ((issuer is null) = (subject is null)),
    constraint sign_in_lapses_before_it_ends check (lapses_at <= ends_at)
);
comment on table sign_ins is 'Page sessions. A browser holds the secret, this only its SHA-256.';
comment on column sign_ins.lapses_at is 'Unless it is used before then.';
comment on column sign_ins.issuer is 'With subject: the login it began with. Null for a persona.';
create index sign_ins_by_their_end on sign_ins (ends_at);


-- Nobody but the service reads who may speak for whom, or what is as good as a secret.
alter table logins enable row level security;
alter table logins force row level security;
create policy service on logins to headstart_service using (true) with check (true);
grant select, insert, update (role, person_id, disabled, signed_out_at, changed_at) on logins
    to headstart_service;

alter table sign_ins enable row level security;
alter table sign_ins force row level security;
create policy service on sign_ins to headstart_service using (true) with check (true);
grant select, insert, update (lapses_at, ended_at), delete on sign_ins to headstart_service;
