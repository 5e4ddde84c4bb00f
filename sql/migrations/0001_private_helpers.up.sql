-- 0001 private_helpers: what all after this one leans on: time-ordered keys, the date of the last change, settings.
-- Lock: new objects only, none. Duration: instant.
-- Down: drops the functions and the settings, which `up` writes again.

-- Migrations run with row_security off, so that moving data fails loudly; the server tries the bodies of functions
-- under that setting too. Nothing is moved here.
set local row_security = on;

-- uuidv7() is built in from PostgreSQL 18 on; this works alike from 15 on, so that no environment has SQL of its own.
-- As there, the 12 bits after the version hold the fraction of the millisecond (RFC 9562, section 6.2, method 3): keys
-- made one after the other in a session stay in order, and an index grows at its right edge. 62 random bits remain.
create function private.uuid_v7() returns uuid
language plpgsql volatile parallel safe
set search_path = ''
as $$
declare
    -- A double holds microseconds exactly until the year 2255, and is several times faster here than extract's numeric.
    micros constant bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint;
begin
    -- 28672 is 0x7000, the version. The variant comes with the second half of the random uuid.
    return encode(
        int8send(((micros / 1000) << 16) | 28672 | ((micros % 1000) * 4096 / 1000))
        || substr(uuid_send(gen_random_uuid()), 9),
        'hex'
    )::uuid;
end
$$;

comment on function private.uuid_v7() is 'A new uuid of version 7: ordered by time to the microsecond, else random.';

-- A default runs with the rights of the role that inserts: each role that inserts is granted execute, nobody else.
revoke execute on function private.uuid_v7() from public;

-- Rows before a time are found by their key, without an index of its own.
create function private.first_uuid(made_at timestamptz) returns uuid
language sql immutable
set search_path = ''
return encode(
    int8send(floor(extract(epoch from made_at) * 1000)::bigint << 16) || decode('0000000000000000', 'hex'), 'hex'
)::uuid;

comment on function private.first_uuid(timestamptz) is 'The least uuid of version 7 of a millisecond.';

revoke execute on function private.first_uuid(timestamptz) from public;

-- Bounded, since people write it through the API directly: a row is no file store. What is cheap to ask comes first:
-- writing 50 MB as text only to measure it takes seconds, and a number such as 1e131071 takes 131 kB of text. Numbers
-- are those of JavaScript, in which all clients read them.
create function private.is_bounded_object(value jsonb, bytes integer) returns boolean
language plpgsql immutable
set search_path = ''
as $$
begin
    return jsonb_typeof(value) = 'object' and pg_column_size(value) <= 16 * bytes
        and not value @? '$.**{33 to last}'
        and not value @? '$.**{1 to last} ? (@.type() == "number" && (@.abs() > 1e308 || @ != 0 && @.abs() < 1e-308))'
        and octet_length(value::text) <= bytes;
end
$$;

comment on function private.is_bounded_object(jsonb, integer) is
'Whether it is an object, its text within so many bytes, 32 deep at most, its numbers doubles.';

-- A check runs with the rights of the role that writes, as a default does.
revoke execute on function private.is_bounded_object(jsonb, integer) from public;

create function private.at_most(count integer, most integer) returns integer
language plpgsql immutable
set search_path = ''
as $$
begin
    if count < 0 then
        raise exception '% rows are asked for; ask for 0 or more', count using errcode = 'invalid_parameter_value';
    end if;
    return least(count, most);
end
$$;

comment on function private.at_most(integer, integer) is
'How many rows of a queue are asked for, and no more than that.';

revoke execute on function private.at_most(integer, integer) from public;

create function private.tg__updated_at() returns trigger
language plpgsql volatile
set search_path = ''
as $$
begin
    -- Also where a client sends the column: the list of projects is paged by it.
    NEW.updated_at = now();
    return NEW;
end
$$;

comment on function private.tg__updated_at() is 'Trigger, before update: dates the row''s last change.';

revoke execute on function private.tg__updated_at() from public;

-- A table and no configuration parameter of the database: anyone who opens a session may set those.
create table private.settings (
    name text not null,
    value jsonb not null,
    constraint settings_pkey primary key (name)
);

alter table private.settings enable row level security;
alter table private.settings force row level security;

comment on table private.settings is 'What functions go by and an environment may want otherwise; written by `up`.';
comment on column private.settings.name is 'The setting, as in Pulumi.yaml.';
comment on column private.settings.value is 'Its value, as JSON.';

-- Before `up` has written a setting, what goes by it is refused: a limit that isn't there would be none.
create function private.setting(name text) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
    found constant jsonb = (select s.value from private.settings as s where s.name = setting.name);
begin
    if found is null then
        raise exception 'private.settings has no %', name
            using errcode = 'object_not_in_prerequisite_state', hint = 'Run `make up`, which writes it.';
    end if;
    return found;
end
$$;

-- Definer: row policies ask it, and nobody may read settings. A bucket that nothing is declared of is the servers'.
create function private.bucket_access(bucket text) returns text
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return coalesce(
        (select s.value ->> bucket from private.settings as s where s.name = 'bucketAccess'), 'servers'
    );
end
$$;

create function private.buckets_of(access text[]) returns text[]
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
begin
    return array(
        select b.key from private.settings as s
        cross join lateral jsonb_each_text(s.value) as b
        where s.name = 'bucketAccess' and b.value = any(access)
    );
end
$$;

-- Definer: it is asked for a default, by people who have no key to this schema.
create function private.only_bucket_of(access text) returns text
language plpgsql stable parallel restricted security definer
set search_path = ''
as $$
declare
    found constant text[] = private.buckets_of(array[access]);
begin
    return case when cardinality(found) = 1 then found[1] end;
end
$$;

comment on function private.setting(text) is 'The value of a setting.';
comment on function private.bucket_access(text) is
'Whose a bucket''s folders are: people, inbox (people''s, written by servers), projects, or servers alone.';
comment on function private.buckets_of(text[]) is 'The buckets with one of these kinds of access.';
comment on function private.only_bucket_of(text) is 'The one bucket with this access; null if there is none, or more.';

revoke execute on function private.setting(text) from public;
revoke execute on function private.bucket_access(text) from public;
revoke execute on function private.buckets_of(text[]) from public;
revoke execute on function private.only_bucket_of(text) from public;

-- The role of the session also inside definer functions. The app's servers, who owns the database's objects, and who
-- may become it; a login that nobody thought of is a person.
create function private.is_server() returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
    caller constant text = coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
    return caller = 'service_role' or pg_has_role(caller, 'app_owner', 'member');
end
$$;

comment on function private.is_server() is 'Whether a server asks, for nobody; else a person or who isn''t signed in.';

revoke execute on function private.is_server() from public;

-- One letter for one: Latin, Greek and Cyrillic, on every server alike. What the server's lower() knows depends on its
-- locale, and whatever folds more (ß to ss) makes one address of two people's.
create function private.lower_address(address text) returns text
language sql immutable parallel safe
set search_path = ''
return lower(
    translate(
        address,
        'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽ'
        || 'ĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ'
        || 'ΣΤΥΦΧΨΩΪΫЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
        'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľ'
        || 'ŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρ'
        || 'στυφχψωϊϋѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюя'
    ) collate "C"
);

comment on function private.lower_address(text) is 'An address in lower case.';

revoke execute on function private.lower_address(text) from public;
