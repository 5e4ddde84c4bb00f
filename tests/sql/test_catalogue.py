"""Rules that hold for every object of ours, asked of the catalogue: a table added tomorrow is under them at once."""

import re
from typing import Any

import pytest

from declared import sqlfiles
from declared.schemas import OF_SUPABASE
from tests.sql import provision
from tests.sql.provision import OURS, Connection

EVERYWHERE = [*OURS, *OF_SUPABASE]
# Names that others gave: Auth.js its columns, the Storage API its foreign key.
FOREIGN_NAMES = {"emailVerified", "providerAccountId", "sessionToken", "userId", "objects_bucketId_fkey"}
# A procedure that commits can't pin a setting; its body names the schema of everything.
COMMITS = ("ops.keep_partitions(", "ops.erase_departed(", "ops.forget_generations(", "ops.run_task(")
# Functions that run with their owner's rights; each has its reason in a comment where it is made.
DEFINERS = {
    "private.accept_invitation(uuid)",
    "private.decline_invitation(uuid)",
    "private.open_invitation(uuid)",
    "private.my_address()",
    "private.date_undated()",
    "private.lock_members(uuid,text)",
    "private.tg_users__fold_address()",
    "private.forget_invitations()",
    "private.tg_accounts__note_address()",
    "private.tg_users__note_address()",
    "private.tg_collaborators__count()",
    "private.tg_collaborators__prepare()",
    "private.audit_anchor()",
    "private.audit_open(jsonb)",
    "private.is_here()",
    "private.me()",
    "private.tg_project_components__limit_bytes()",
    "private.tg_projects__limit()",
    "private.leaving()",
    "private.erase(uuid,bigint)",
    "private.people_to_erase()",
    "private.forget_addresses(text[])",
    "private.unwanted_addresses(bigint)",
    "private.depart(uuid[])",
    "private.departures(timestamp with time zone)",
    "private.waiting_departures()",
    "private.export_rows(uuid,text)",
    "private.export_files(uuid)",
    "private.tg_users__depart()",
    "private.audit_verify(jsonb,timestamp with time zone)",
    "private.few_projects()",
    "private.finish_deletions(uuid[])",
    "private.forget_empty_usage()",
    "private.forget_quarantined(text,text,text)",
    "private.quarantine()",
    "private.recorded_objects(text[],text[])",
    "private.waiting_deletions()",
    "private.is_super_admin()",
    "private.forget_expired()",
    "private.led_projects(integer)",
    "private.forget_sealed(text)",
    "private.add_partition(text,text,text,date)",
    "private.many_from()",
    "private.is_clean(text,text,text)",
    "private.hold_copy_target(uuid,uuid)",
    "private.lock_project(uuid)",
    "private.move_component(uuid,uuid)",
    "private.nest_component(uuid,uuid)",
    "private.reorder_components(uuid,uuid[])",
    "private.tg__date_projects()",
    "private.tg__date_project()",
    "private.tg_project_components__check_tree()",
    "private.tg_project_components__limit()",
    "private.tg_project_components__take_place()",
    "private.may_edit(uuid)",
    "private.may_manage(uuid,text)",
    "private.may_read(uuid)",
    "private.may_see(uuid)",
    "private.my_invitations()",
    "private.my_projects(integer)",
    "private.project_members(uuid)",
    "private.project_owners(uuid[])",
    "private.project_summaries(uuid[])",
    "private.refresh_summaries()",
    "private.retire_partition(text,text,text,date)",
    "private.reseal_accounts(uuid,integer)",
    "private.retry_scan(text,text,text,bigint,interval)",
    "private.settle_scan(text,text,text,bigint,text,text,text)",
    "private.reopen_scans()",
    "private.release_file(text,text,text,text,text,boolean)",
    "private.note_restored(text,text,text,text,text,text)",
    "private.search_generations(text,integer,real,uuid,text)",
    "private.search_projects(text,integer,real,uuid,text)",
    "private.search_recordings(text,integer,real,uuid,text)",
    "private.supervised_from()",
    "private.take_deletions(integer)",
    "private.tg_audit_retired__audit()",
    "private.tg_next_auth_accounts__audit()",
    "private.tg_next_auth_users__audit()",
    "private.tg_audio_recordings__words()",
    "private.tg_projects__words()",
    "private.tg_projects__list()",
    "private.tg_prompt_generations__words()",
    "private.language_of(uuid)",
    "private.newest_with(tsquery,boolean,uuid[])",
    "private.tg_public_audio_recordings__audit()",
    "private.tg_public_collaborators__audit()",
    "private.tg_public_project_components__audit()",
    "private.tg_public_projects__audit()",
    "private.tg_public_prompt_generations__audit()",
    "private.tg_public_users__audit()",
    "private.tg_storage_buckets__audit()",
    "private.tg_accounts__seal()",
    "private.take_scans(integer)",
    "private.tg_audio_recordings__queue_deletion()",
    "private.tg_audio_recordings__take_file()",
    "private.tg_collaborators__invite()",
    "private.tg_projects__stay_shared()",
    "private.tg_sealing_keys__keep_used()",
    "private.tg_storage_objects__queue_scan()",
    "private.tg_object_scans__record()",
    "private.tg_storage_objects__check_limits()",
    "private.tg_storage_objects__check_name()",
    "private.tg_storage_objects__check_project()",
    "private.tg_storage_objects__count()",
    "private.tg_storage_objects__unserve()",
    "private.unserved_files(integer)",
    "private.finish_unserved(uuid[])",
    "private.finish_gone(text[],text[],text[])",
    "private.unserve(text[],text[],text[])",
    "private.tg_settings__unserve()",
    "private.tg_projects__charge()",
    "private.tg_projects__discharge()",
    "private.tg_settings__charge()",
    "private.tg_projects__queue_files()",
    "private.tg_users__queue_files()",
    "private.add_usage(private.storage_usage[])",
    "private.charge(uuid,bigint,bigint,bigint,bigint)",
    "private.note_kept(text[],text[],bigint[])",
    "private.storage_room(text,text)",
    "private.take_room(text,text,bigint)",
    "private.payer(uuid,text)",
    "private.add_to_budget(uuid,timestamp with time zone,bigint,numeric)",
    "private.forget_calls()",
    "private.forget_file_events()",
    "private.take_file_events(integer)",
    "private.finish_file_events(uuid[])",
    "private.note_storage()",
    "private.keep_instant(text,timestamp with time zone,integer,text)",
    "private.release_instant(text)",
    "private.kept_instants()",
    "private.note_drill(text,boolean,interval,interval,text)",
    "private.app_metrics()",
    "private.usage_metrics()",
    "private.bloat_metrics(text[],double precision[])",
    "private.note_health(text[],text[],double precision[])",
    "private.health_history(text,timestamp with time zone)",
    "private.begin_run(text)",
    "private.end_run(text,boolean,text)",
    "private.maintenance()",
    "private.tg_ddl__record()",
    "private.tg_project_components__broadcast()",
    "private.may_hear()",
    "private.may_speak()",
    "private.structure_changes_since(timestamp with time zone)",
    "private.drills()",
    "private.tg_object_scans__note_event()",
    "private.forget_generations(uuid,bigint)",
    "private.my_budget()",
    "private.record_generation(uuid,text,text,text,bigint,bigint,numeric,bigint)",
    "private.tg__stale_projects()",
    "private.tg_api_usage__count()",
    "private.tg_api_usage__stale_days()",
    "private.tg_prompt_generations__release()",
    "private.tg_prompt_generations__reserve()",
    "private.abandoned_files(interval,integer)",
    "private.count_abandoned(interval)",
    "private.bucket_access(text)",
    "private.is_folder_of_somebody(text,uuid)",
    "private.buckets_of(text[])",
    "private.only_bucket_of(text)",
    "private.few_files()",
    "private.many_files_from(boolean)",
    "private.may_find(text,text,text,text,boolean)",
    "private.may_store(text)",
    "private.my_harmful()",
    "private.my_storage()",
    "private.storage_growth(date)",
    "private.storage_report()",
    "private.takes(text,text,text)",
    "private.tg_users__create_profile()",
    "private.tg_users__forget()",
    "private.transfer_project(uuid,uuid)",
    "private.usage_overview(date,date)",
}

TABLES = """
    select n.nspname, c.relname, c.oid, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text,
        pg_get_userbyid(c.relowner)
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname = any(%s)
"""
FUNCTIONS = """
    select p.oid::regprocedure::text, n.nspname, p.proconfig, p.prosecdef, obj_description(p.oid, 'pg_proc'),
        exists (select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a where a.grantee = 0)
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = any(%s)
"""
POLICIES = """
    select p.polname, p.polrelid::regclass::text, c.relname, p.polcmd::text, p.polpermissive,
        array(select r::regrole::text from unnest(p.polroles) as r), obj_description(p.oid, 'pg_policy'),
        coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
    from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where c.relnamespace <> 'supabase_migrations'::regnamespace and {months} c.relispartition
"""
OF_MONTHS = POLICIES.format(months="")
POLICIES = POLICIES.format(months="not")


def rows(connection: Connection, query: str, *values) -> list[Any]:
    """What the catalogue has; nothing at all would make every rule below hold, so that fails."""
    found = connection.execute(query.encode(), values or None).fetchall()
    assert found, "the catalogue query found nothing to check"
    return found


def test_every_table_has_row_security_enabled_and_forced_by_its_own_migration(connection):
    provision.migrate_up(connection)
    for schema, table, _, enabled, forced, *_ in rows(connection, TABLES, list(OURS)):
        assert enabled, f"{schema}.{table} has row security off"
        assert forced, f"{schema}.{table}: its owner is not bound"


def test_the_platforms_tables_have_row_security_enabled(provisioned):
    for _, table, _, enabled, *_ in rows(provisioned, TABLES, ["storage"]):
        assert enabled, f"storage.{table} has row security off"


def test_migrations_grant_nobody_anything_on_a_table(connection):
    provision.migrate_up(connection)
    for schema, table, _, _, _, acl, _ in rows(connection, TABLES, list(OURS)):
        grantees = re.findall(r"(\w*)=", acl or "")
        assert set(grantees) <= {"app_owner"}, f"{schema}.{table}: {acl}"


def test_everything_belongs_to_the_owner_role_and_storage_to_its_admin(provisioned):
    owned = """
        select n.nspname, c.relname, pg_get_userbyid(c.relowner) from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace where n.nspname = any(%(s)s)
        union all
        select n.nspname, p.proname, pg_get_userbyid(p.proowner) from pg_proc as p
        join pg_namespace as n on n.oid = p.pronamespace where n.nspname = any(%(s)s)
        union all
        select n.nspname, t.typname, pg_get_userbyid(t.typowner) from pg_type as t
        join pg_namespace as n on n.oid = t.typnamespace where n.nspname = any(%(s)s)
    """
    found = provisioned.execute(owned, {"s": EVERYWHERE}).fetchall()
    assert {schema for schema, _, _ in found} >= {"public", "next_auth", "private", "auth", "storage"}
    for schema, name, owner in found:
        assert owner == ("supabase_storage_admin" if schema == "storage" else "app_owner"), f"{schema}.{name}"


def test_every_table_column_and_function_of_ours_has_a_comment(provisioned):
    for schema, table, oid, *_ in rows(provisioned, TABLES, list(OURS)):
        (comment,) = provisioned.execute("select obj_description(%s, 'pg_class')", (oid,)).fetchone()
        assert comment, f"{schema}.{table} has no comment"
        if re.search(r"_(default|\d{4}_\d{2})$", table):
            continue
        columns = (
            "select attname, col_description(attrelid, attnum) from pg_attribute where attrelid = %s and attnum > 0"
        )
        for column, comment in rows(provisioned, columns, oid):
            assert comment, f"{schema}.{table}.{column} has no comment"
    for function, _, _, _, comment, _ in rows(provisioned, FUNCTIONS, EVERYWHERE):
        assert comment, f"{function} has no comment"


def test_every_table_of_the_platform_has_a_comment(provisioned):
    for _, table, oid, *_ in rows(provisioned, TABLES, ["storage"]):
        assert provisioned.execute("select obj_description(%s, 'pg_class')", (oid,)).fetchone()[0], table


# Where a platform has put an extension isn't known: in the one of two schemas in which no caller makes anything.
PATHS = {"ops.slow_statements(integer)": "statistics, extensions"}


def test_functions_of_ours_pin_an_empty_search_path(provisioned):
    for function, _, settings, *_ in rows(provisioned, FUNCTIONS, list(OURS)):
        if function.startswith(COMMITS):
            continue
        wanted = PATHS.get(function, '""')
        assert f"search_path={wanted}" in (settings or []), f"{function} looks names up where its caller says"


def test_no_function_can_be_executed_by_public(provisioned):
    for function, _, _, _, _, public in rows(provisioned, FUNCTIONS, EVERYWHERE):
        assert not public, f"{function} can be executed by public"


def test_the_functions_with_their_owners_rights_are_the_known_ones_and_not_exposed(provisioned):
    definers = {
        (function, schema) for function, schema, _, definer, *_ in rows(provisioned, FUNCTIONS, EVERYWHERE) if definer
    }
    assert {function for function, _ in definers} == DEFINERS
    assert {schema for _, schema in definers} == {"private"}


def test_every_foreign_key_has_an_index_that_begins_with_its_columns(provisioned):
    keys = """
        select f.conname, f.conrelid::regclass::text, exists (
            select 1 from pg_index as i
            where i.indrelid = f.conrelid and i.indisvalid and i.indpred is null
                and (i.indkey::int2[])[0:cardinality(f.conkey) - 1] = f.conkey
        )
        from pg_constraint as f where f.contype = 'f'
    """
    for name, table, indexed in rows(provisioned, keys):
        assert indexed, f"{name} on {table}: a delete on the other side reads the whole table"


def test_every_table_has_a_primary_key(provisioned):
    for schema, table, oid, *_ in rows(provisioned, TABLES, [*OURS, "storage"]):
        keys = "select 1 from pg_constraint where conrelid = %s and contype = 'p'"
        assert provisioned.execute(keys, (oid,)).fetchone(), f"{schema}.{table}"


def test_every_column_that_a_row_policy_uses_leads_an_index_or_is_its_condition(provisioned):
    used = """
        select p.polname, p.polcmd::text, a.attrelid::regclass::text, a.attname, exists (
            select 1 from pg_index as i
            where i.indrelid = a.attrelid and i.indisvalid and (
                i.indkey[0] = a.attnum
                or i.indpred is not null and exists (
                    select 1 from pg_depend as u
                    where u.classid = 'pg_class'::regclass and u.objid = i.indexrelid
                        and u.refobjid = a.attrelid and u.refobjsubid = a.attnum
                )
            )
        )
        from pg_policy as p
        -- A check of a new row is no condition on a table: nothing is looked up by it.
        join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refobjsubid > 0
            and p.polcmd <> 'a'
            -- Which file a row is of, and whose, is asked where its name was found, and of nothing else.
            and not (d.refobjid = 'storage.objects'::regclass and d.refobjsubid in (
                select v.attnum from pg_attribute as v
                where v.attrelid = d.refobjid and v.attname in ('version', 'owner_id')
            ))
            -- A message is asked for by its id, and in a table of days that Realtime indexes.
            and d.refobjid <> 'realtime.messages'::regclass
        join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    """
    anywhere: dict[str, bool] = {}
    for policy, command, table, column, indexed in rows(provisioned, used):
        anywhere[policy] = anywhere.get(policy, False) or indexed
        # What may be changed has been narrowed by what may be seen: there one column with an index is enough.
        assert indexed or command != "r", f"{policy} asks for {table}.{column}, which no index begins with"
    assert all(anywhere.values()), [policy for policy, indexed in anywhere.items() if not indexed]


def test_row_policies_name_their_roles_and_one_command_each(provisioned):
    for name, table, relation, command, permissive, roles, _, _ in rows(provisioned, POLICIES):
        assert command != "*" or roles == ["service_role"] or not permissive, f"{name} on {table} is for all commands"
        assert "-" not in roles, f"{name} on {table} is for everybody"
        word = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}[command]
        assert re.fullmatch(rf"{relation}_{word}_[a-z_]+", name), f"{name} is not named {relation}_{word}_<who>"


def test_no_two_permissive_row_policies_meet_in_one_role_and_command(provisioned):
    seen: dict[tuple[str, str, str], str] = {}
    for name, table, _, command, permissive, roles, *_ in rows(provisioned, POLICIES):
        for role in roles if permissive else ():
            other = seen.setdefault((table, command, role), name)
            assert other == name, f"{table}: {role} runs both {other} and {name} for each row"


def test_row_policies_ask_who_it_is_once_per_statement_and_not_once_per_row(provisioned):
    for name, *_, expression in rows(provisioned, POLICIES):
        calls = re.findall(r"(.{9})(auth\.\w+\(|current_setting\()", "         " + expression)
        for before, call in calls:
            assert before.endswith("( SELECT "), f"{name} calls {call}) for each row"
    asking = [name for name, *_, expression in rows(provisioned, POLICIES) if "( SELECT auth.uid()" in expression]
    assert len(asking) >= 9, "the test no longer recognises the calls"


def test_every_row_policy_in_the_database_is_in_a_file_with_its_sentence(provisioned):
    there = {(name, table, comment) for name, table, _, _, _, _, comment, _ in rows(provisioned, POLICIES)}
    files = sqlfiles.row_policies(provision.SQL / "policies")
    assert there == {(policy.name, policy.table, policy.comment) for policy in files}
    for policy in files:
        assert re.fullmatch(r"[A-Z].*\.", policy.comment), f"{policy.location}: the comment is a sentence"


def test_a_month_has_one_row_policy_and_that_is_for_backups(provisioned):
    months = {
        name
        for (name,) in provisioned.execute(
            "select oid::regclass::text from pg_class where relispartition and relkind = 'r'"
        )
    }
    found = rows(provisioned, OF_MONTHS)
    assert sorted(table for _, table, *_ in found) == sorted(months)
    for name, table, relation, command, permissive, roles, comment, expression in found:
        assert (name, command, permissive, roles) == (f"{relation}_select_backup", "r", True, ["backup"]), table
        assert (comment, expression) == ("Backups read all.", "true ")


def test_names_need_no_quotes(provisioned):
    names = """
        select relname from pg_class where relnamespace = any(%(s)s::regnamespace[])
        union select attname from pg_attribute
        where attnum > 0 and attrelid in (select oid from pg_class where relnamespace = any(%(s)s::regnamespace[]))
        union select conname from pg_constraint where connamespace = any(%(s)s::regnamespace[])
        union select proname from pg_proc where pronamespace = any(%(s)s::regnamespace[])
        union select typname from pg_type where typnamespace = any(%(s)s::regnamespace[])
        union select tgname from pg_trigger where not tgisinternal
        union select polname from pg_policy
    """
    found = {name for (name,) in provisioned.execute(names, {"s": EVERYWHERE})}
    assert found >= FOREIGN_NAMES
    assert {name for name in found if not re.fullmatch(r"[a-z_][a-z0-9_]*", name)} == FOREIGN_NAMES


@pytest.mark.parametrize(
    ("query", "form"),
    [
        (
            "select c.relname, k.conname from pg_constraint as k join pg_class as c on c.oid = k.conrelid "
            "where k.connamespace = any(%s::regnamespace[]) and k.contype in ('p', 'u', 'f', 'c', 'x') "
            "and k.coninhcount = 0",
            r"{0}_(pkey|\w+_(fkey|key|check|excl))",
        ),
        (
            "select t.relname, c.relname from pg_index as i join pg_class as c on c.oid = i.indexrelid "
            "join pg_class as t on t.oid = i.indrelid where c.relnamespace = any(%s::regnamespace[])",
            r"{0}_(pkey|\w+_(key|idx|excl))",
        ),
        (
            "select c.relname, t.tgname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid "
            "where not t.tgisinternal and c.relnamespace = any(%s::regnamespace[])",
            r"_\d\d\d_[a-z_]+",
        ),
    ],
    ids=["constraints", "indexes", "triggers"],
)
def test_objects_are_named_after_their_table_and_kind(provisioned, query, form):
    for table, name in rows(provisioned, query, list(OURS)):
        assert re.fullmatch(form.format(table), name), f"{name} on {table}"


def test_no_table_has_two_equal_indexes(provisioned):
    equal = """
        select string_agg(i.indexrelid::regclass::text, ' and ')
        from pg_index as i join pg_class as c on c.oid = i.indexrelid
        where c.relnamespace = any(%s::regnamespace[])
        group by i.indrelid, i.indkey::text, i.indclass::text, i.indoption::text, i.indcollation::text,
            coalesce(i.indpred::text, ''), coalesce(i.indexprs::text, '')
        having count(*) > 1
    """
    assert not provisioned.execute(equal, (list(OURS),)).fetchall()


def test_next_auth_users_has_exactly_the_columns_of_the_adapters(provisioned):
    columns = """
        select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute
        where attrelid = 'next_auth.users'::regclass and attnum > 0 order by attnum
    """
    assert provisioned.execute(columns).fetchall() == [
        ("id", "uuid", True),
        ("name", "text", False),
        ("email", "text", False),
        ("emailVerified", "timestamp with time zone", False),
        ("image", "text", False),
    ]


def test_the_storage_tables_have_the_platforms_columns(provisioned):
    columns = """
        select string_agg(attname, ' ' order by attnum) from pg_attribute
        where attrelid = %s::regclass and attnum > 0
    """
    (buckets,) = provisioned.execute(columns, ("storage.buckets",)).fetchone()
    (objects,) = provisioned.execute(columns, ("storage.objects",)).fetchone()
    assert buckets == (
        "id name owner created_at updated_at public avif_autodetection file_size_limit allowed_mime_types owner_id "
        "type versioning_status"
    )
    assert objects == (
        "id bucket_id name owner created_at updated_at last_accessed_at metadata path_tokens version owner_id "
        "user_metadata archived_at is_delete_marker is_versioned"
    )


# What follows holds the rest of splinter's rules, Supabase's linter; its number is in each docstring.


def test_no_policy_waits_on_a_table_without_row_security(provisioned):
    """0007: policies on a table whose row security is off do nothing."""
    idle = """
        select p.polname from pg_policy as p join pg_class as c on c.oid = p.polrelid where not c.relrowsecurity
    """
    assert provisioned.execute(idle).fetchall() == []


def test_tables_without_a_policy_are_the_known_ones_and_the_months(provisioned):
    """0008: row security without a policy shuts everybody out who doesn't bypass it; nothing of ours is meant to."""
    bare = """
        select c.oid::regclass::text from pg_class as c
        where c.relkind in ('r', 'p') and c.relnamespace = any(%s::regnamespace[]) and not c.relispartition
            and not exists (select 1 from pg_policy as p where p.polrelid = c.oid)
    """
    found = {name for (name,) in provisioned.execute(bare, (EVERYWHERE,))}
    assert found == set()


def test_views_run_as_who_asks(provisioned):
    """0010: a view with its owner's rights passes by row security."""
    views = "select oid::regclass::text, reloptions from pg_class where relkind = 'v' and relnamespace = any(%s)"
    for view, options in rows(provisioned, views.replace("any(%s)", "any(%s::regnamespace[])"), list(OURS)):
        assert "security_invoker=true" in (options or []), view


def test_no_extension_lives_in_public(provisioned):
    """0014: an extension's functions in an exposed schema can be called by everybody."""
    there = "select extname from pg_extension where extnamespace = 'public'::regnamespace"
    assert provisioned.execute(there).fetchall() == []


def test_no_summary_passes_row_security_by(provisioned):
    """0016: a materialized view knows no row security."""
    assert provisioned.execute("select 1 from pg_class where relkind = 'm'").fetchall() == []


def test_no_column_has_a_type_that_keeps_a_server_from_being_upgraded(provisioned):
    """0018: columns of type regclass and its kind stop pg_upgrade."""
    columns = """
        select attrelid::regclass::text, attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = any(%s::regnamespace[]) and attnum > 0 and atttypid = any(array[
            'regclass', 'regproc', 'regprocedure', 'regoper', 'regoperator', 'regconfig', 'regdictionary',
            'regnamespace', 'regcollation']::regtype[])
    """
    assert provisioned.execute(columns, (EVERYWHERE,)).fetchall() == []


def test_no_foreign_key_of_ours_refers_to_the_platforms_schemas(provisioned):
    """0021: what Supabase owns it may rebuild; we refer to our own people only."""
    foreign = """
        select conname from pg_constraint as k join pg_class as c on c.oid = k.confrelid
        where k.contype = 'f' and k.connamespace = any(%s::regnamespace[])
            and c.relnamespace = any(array['auth', 'storage']::regnamespace[])
    """
    assert provisioned.execute(foreign, (list(OURS),)).fetchall() == []


def test_secrets_are_no_api_roles_to_read(provisioned):
    """0023: columns named like secrets, in a table that anybody but the app's own logins may read."""
    secret = """
        select c.oid::regclass::text, a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        cross join unnest(array['anon', 'authenticated', 'monitor']) as r
        where c.relnamespace = any(%s::regnamespace[]) and a.attnum > 0 and c.relkind in ('r', 'p', 'v', 'm')
            and a.attname ~* '(password|secret|token$|api_key|credential)'
            and has_schema_privilege(r, c.relnamespace, 'usage') and has_column_privilege(r, c.oid, a.attnum, 'select')
    """
    assert provisioned.execute(secret, (EVERYWHERE,)).fetchall() == []


def test_no_write_is_open_to_every_row_for_people_or_visitors(provisioned):
    """0024: `true` for writing means anybody may write anything."""
    for name, table, _, command, _, roles, _, expression in rows(provisioned, POLICIES):
        if command != "r" and {"anon", "authenticated", "public"} & {*roles}:
            assert "true" not in expression.split(), f"{name} on {table}"


def test_no_policy_lists_a_whole_bucket(provisioned):
    """0025: a policy that asks for the bucket alone shows every file in it."""
    listed = [
        (name, expression)
        for name, table, _, command, _, roles, _, expression in rows(provisioned, POLICIES)
        if table == "storage.objects" and command == "r" and {"anon", "authenticated", "public"} & {*roles}
    ]
    assert listed
    for name, expression in listed:
        assert "auth.uid()" in expression, name


def test_visitors_and_people_execute_no_definer_in_an_exposed_schema(provisioned):
    """0028 and 0029: what PostgREST shows runs with the rights of who asks."""
    definers = "select oid::regprocedure::text from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
    assert provisioned.execute(definers).fetchall() == []
