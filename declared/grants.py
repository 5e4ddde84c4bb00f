"""Every grant there is, by object; what isn't here is revoked. The owner's own privileges aren't grants."""

from functools import cache
from pathlib import Path

from declared.platform import Platform
from declared.roles import API, OWNER, ROLES
from declared.roles import names as role_names
from declared.schemas import HISTORY_SUFFIXES, schemas_on

Grants = dict[str, dict[str, list[str]]]

EVERYTHING = ["select", "insert", "update", "delete"]


def location(name: str) -> str:
    """File and line of an object's entry here, for messages."""
    line = next((number for number, text in enumerate(_lines(), start=1) if text.startswith(f'    "{name}": {{')), 1)
    return f"declared/grants.py:{line}"


@cache
def _lines() -> list[str]:
    return Path(__file__).read_text(encoding="utf-8").splitlines()


def _usage(*roles: str) -> dict[str, list[str]]:
    return {role: ["usage"] for role in roles}


# Schemas come first: migrations run as the owner, which needs them.
SCHEMA_GRANTS: Grants = {
    "public": {"app_owner": ["usage", "create"], **_usage(*API)},
    # Auth.js' login opens what pgcrypto sealed.
    "extensions": _usage(*API, "authjs"),
    "statistics": _usage("monitor"),
    "auth": _usage(*API, "supabase_storage_admin"),
    # The owner's triggers on storage.objects read the buckets' limits.
    "storage": _usage(*API, "app_owner", "storage_service", "cleaner"),
    "realtime": _usage(*API),
    "next_auth": _usage("authjs", "service_role"),
    "authjs": _usage("authjs"),
    "analytics": _usage("authenticated", "service_role"),
    "audit": _usage("authenticated"),
    "private": {},
    # The app's servers note there what they have had back.
    "ops": _usage("service_role", "monitor", "scanner", "cleaner", "backup"),
}

# Who logs in connects. Temporary tables come before every schema in which a name is looked up: nobody makes any but the
# owner, whose refresh of a summary needs one.
DATABASE_GRANTS = {OWNER: ["temporary"], **{role: ["connect"] for role, spec in ROLES.items() if spec.login}}


def schema_grants_on(platform: Platform) -> Grants:
    """By schema, where a platform has made some of them: what our roles have there, and others in ours."""
    ours, own = {*role_names(platform)}, {*schemas_on(platform)}
    found: Grants = {}
    for schema, entries in SCHEMA_GRANTS.items():
        if not platform.name or schema in own:
            found[schema] = entries
        elif schema in platform.schemas | {"public"}:
            more = _usage(*platform.schema_usage.get(schema, ()))
            found[schema] = {role: words for role, words in {**entries, **more}.items() if role in ours}
    return {schema: entries for schema, entries in found.items() if entries or schema in own}


def table_grants_on(platform: Platform, table: str) -> dict[str, list[str]]:
    """The entry of a table; of one of the platform's, what our roles have."""
    if not platform.owns(table):
        return TABLES[table]
    ours = {*role_names(platform)}
    return {role: words for role, words in TABLES[table].items() if role in ours}


def database_grants_on(platform: Platform) -> dict[str, list[str]]:
    """What our roles have on the database; elsewhere it is all that anybody has."""
    ours = {*role_names(platform)}
    return {role: words for role, words in DATABASE_GRANTS.items() if role in ours}


# What `./vpb migrate` reads and writes as the migrator: the app's history, and the snapshot, into which it takes what a
# migration changes. The platform's history is `up`'s to write.
HISTORY_GRANTS: Grants = {
    **{f"schema_migrations{end}": {"migrator": EVERYTHING} for end in HISTORY_SUFFIXES},
    **{f"platform_migrations{end}": {"migrator": ["select"]} for end in HISTORY_SUFFIXES},
    **{f"schema_snapshot{end}": {"migrator": EVERYTHING} for end in ("", "_pending")},
}

ACCOUNT = (
    "userId, type, provider, providerAccountId, access_token, expires_at, refresh_token, id_token, scope, "
    "session_state, token_type"
)
AUTHJS_USERS = [
    "select",
    "insert(name, email, emailVerified, image)",
    "update(name, email, emailVerified, image)",
    "delete",
]
AUTHJS_ACCOUNTS = ["select", f"insert({ACCOUNT})", "delete"]
AUTHJS_SESSIONS = ["select", "insert(userId, expires, sessionToken)", "update(expires, userId)", "delete"]
AUTHJS_TOKENS = ["select", "insert(identifier, expires, token)", "delete"]
# The columns that the Storage API names in what it writes.
UPLOADED = "bucket_id, name, owner, owner_id, version, metadata, user_metadata"

MESSAGE = "topic, extension, payload, event, private, updated_at, inserted_at, id, binary_payload"

# Inserts and updates name their columns, so that a review sees what can be written.
TABLES: Grants = {
    "next_auth.users": {"authjs": AUTHJS_USERS, "service_role": EVERYTHING},
    "next_auth.accounts": {"authjs": AUTHJS_ACCOUNTS, "service_role": EVERYTHING},
    "next_auth.sessions": {"authjs": AUTHJS_SESSIONS, "service_role": EVERYTHING},
    "next_auth.verification_tokens": {"authjs": AUTHJS_TOKENS, "service_role": EVERYTHING},
    # Views that run as who asks: a privilege is needed on both, and nobody else has any here.
    "authjs.users": {"authjs": AUTHJS_USERS},
    "authjs.accounts": {"authjs": AUTHJS_ACCOUNTS},
    "authjs.sessions": {"authjs": AUTHJS_SESSIONS},
    "authjs.verification_token": {"authjs": AUTHJS_TOKENS},
    "authjs.verification_tokens": {"authjs": AUTHJS_TOKENS},
    "public.users": {
        "authenticated": ["select", "update(display_name, avatar_url, locale, time_zone, settings)"],
        "service_role": EVERYTHING,
    },
    "public.projects": {
        "anon": ["select"],
        "authenticated": [
            "select",
            "insert(owner_id, title, description, visibility, settings, archived_at)",
            "update(title, description, visibility, settings, archived_at)",
            "delete",
        ],
        "service_role": EVERYTHING,
    },
    "public.collaborators": {
        # Nobody writes accepted_at: private.accept_invitation does, for the invited person.
        "authenticated": ["select", "insert(project_id, user_id, email, role, invited_by)", "update(role)", "delete"],
        "service_role": EVERYTHING,
    },
    "public.project_components": {
        "anon": ["select"],
        "authenticated": [
            "select",
            # Places and groups are changed by functions, which hold the project before any row of it.
            "insert(id, project_id, parent_id, recording_id, kind, title, x, y, width, height, properties)",
            "update(recording_id, title, x, y, width, height, properties, revision)",
            "delete",
        ],
        "service_role": EVERYTHING,
    },
    "public.audio_recordings": {
        # What a file is and what the scanner found isn't the person's to say.
        "authenticated": [
            "select",
            "insert(project_id, created_by, title, bucket_id, object_path, duration_ms, sample_rate)",
            "update(title, transcript)",
            "delete",
        ],
        "service_role": EVERYTHING,
    },
    "public.prompt_generations": {
        # Answers, tokens and cost are the server's; a person asks, and cancels.
        "authenticated": [
            "select",
            "insert(project_id, created_by, prompt, provider, model, parameters)",
            "update(status)",
            "delete",
        ],
        "service_role": EVERYTHING,
    },
    "analytics.user_activity": {"authenticated": ["select"], "service_role": EVERYTHING},
    "analytics.api_usage": {"authenticated": ["select"], "service_role": EVERYTHING},
    # Their row policies show nothing to anybody but super administrators.
    "analytics.error_logs": {"authenticated": ["select"], "service_role": EVERYTHING},
    "analytics.performance_metrics": {"authenticated": ["select"], "service_role": EVERYTHING},
    "analytics.storage_days": {"authenticated": ["select"]},
    # Nobody: files are taken by public.take_deletions, summaries are read by functions that know who asks.
    "private.deletion_queue": {},
    "private.file_events": {},
    "private.unserved_files": {},
    "private.backups": {},
    "private.health_samples": {},
    "private.maintenance_runs": {},
    "private.structure_changes": {},
    "private.project_words": {},
    "private.recording_words": {},
    "private.generation_words": {},
    "private.sealing_keys": {},
    "private.audit_keys": {},
    "private.departures": {},
    "private.settings": {},
    "private.proved_addresses": {},
    "private.invitation_counts": {},
    "private.budget_limits": {},
    "private.budget_usage": {},
    "private.budget_reservations": {},
    "private.recorded_calls": {},
    "private.object_scans": {},
    "private.storage_usage": {},
    "private.storage_quotas": {},
    "private.stale_summaries": {},
    "private.undated_projects": {},
    "analytics.project_totals": {},
    "analytics.usage_overview": {},
    # Entries are written by triggers. The row policy shows them to super administrators alone.
    "audit.log": {"authenticated": ["select"]},
    # A view that runs as who asks.
    "audit.entries": {"authenticated": ["select"]},
    "audit.heads": {},
    "audit.retired": {},
    "storage.buckets": {
        "anon": ["select"],
        "authenticated": ["select"],
        "service_role": EVERYTHING,
        "app_owner": ["select"],
        "storage_service": ["select"],
    },
    "storage.objects": {
        "anon": ["select"],
        # The Storage API tries an upload as the uploader, and writes it as its own; a trigger refuses a commit.
        "authenticated": ["select", f"insert({UPLOADED})", f"update({UPLOADED})", "delete"],
        "service_role": EVERYTHING,
        "app_owner": ["select"],
        "storage_service": ["select", f"insert({UPLOADED})", f"update({UPLOADED}, last_accessed_at)", "delete"],
        # Not whose it is, nor what the uploader wrote about it.
        "cleaner": ["select(id, bucket_id, name, version, metadata, created_at, updated_at)", "delete"],
    },
    # Realtime tries both as the person who joins a channel, and takes it back.
    "realtime.messages": {"authenticated": ["select", f"insert({MESSAGE})"], "service_role": EVERYTHING},
}

API_FUNCTIONS = (
    "auth.uid()",
    "auth.role()",
    "auth.email()",
    "auth.jwt()",
    "storage.foldername(text)",
    "storage.filename(text)",
    "storage.extension(text)",
    "storage.allow_only_operation(text)",
    "storage.operation()",
    "storage.allow_any_operation(text[])",
    "realtime.topic()",
)
# What row policies on storage.objects ask of everybody, the Storage API too.
VERDICT_FUNCTIONS = (
    "private.is_operation(text[])",
    "private.is_clean(text, text, text)",
)
# What is public can be searched by visitors; the trailing private ones are what these and the row policies call.
VISITORS_FUNCTIONS = (
    "public.project_owners(uuid[])",
    "private.project_owners(uuid[])",
    "public.search_projects(text, integer, real, uuid, text)",
    "private.search_projects(text, integer, real, uuid, text)",
    "private.leaving()",
    # search_projects asks it as well, and answers a visitor with no.
    "private.is_super_admin()",
)
PEOPLES_FUNCTIONS = (
    "public.create_project(text, text, text, jsonb, jsonb)",
    "public.copy_components(uuid, uuid)",
    "public.duplicate_project(uuid, text)",
    "public.move_component(uuid, uuid)",
    "public.nest_component(uuid, uuid)",
    "public.reorder_components(uuid, uuid[])",
    "public.accept_invitation(uuid)",
    "public.decline_invitation(uuid)",
    "public.my_invitations()",
    "public.project_members(uuid)",
    "public.storage_usage()",
    "public.transfer_project(uuid, uuid)",
    "public.search_recordings(text, integer, real, uuid, text)",
    "public.search_generations(text, integer, real, uuid, text)",
    "private.search_recordings(text, integer, real, uuid, text)",
    "private.search_generations(text, integer, real, uuid, text)",
    "public.usage_summary(timestamptz)",
    "public.my_budget()",
    "public.usage_by_day(date, date)",
    "public.project_summaries(uuid[])",
    "public.usage_overview(date, date)",
    "private.hold_copy_target(uuid, uuid)",
    "private.lock_project(uuid)",
    "private.move_component(uuid, uuid)",
    "private.nest_component(uuid, uuid)",
    "private.reorder_components(uuid, uuid[])",
    "private.my_storage()",
    "private.my_budget()",
    "private.my_harmful()",
    "private.buckets_of(text[])",
    "private.only_bucket_of(text)",
    "private.few_files()",
    "private.many_files_from(boolean)",
    "private.may_find(text, text, text, text, boolean)",
    "private.may_store(text)",
    "private.takes(text, text, text)",
    "private.accept_invitation(uuid)",
    "private.decline_invitation(uuid)",
    "private.my_invitations()",
    "private.project_members(uuid)",
    "private.transfer_project(uuid, uuid)",
    "private.project_summaries(uuid[])",
    "private.usage_overview(date, date)",
    "private.supervised_from()",
    "private.is_here()",
    "private.my_projects(integer)",
    "private.led_projects(integer)",
    "private.few_projects()",
    "private.many_from()",
    "private.may_read(uuid)",
    "private.may_see(uuid)",
    "private.may_edit(uuid)",
    "private.may_manage(uuid, text)",
    "private.may_hear()",
    "private.may_speak()",
    "private.lock_members(uuid, text)",
)
SERVERS_FUNCTIONS = (
    "realtime.send(jsonb, text, text, boolean)",
    "public.take_deletions(integer)",
    "public.finish_deletions(uuid[])",
    "public.take_file_events(integer)",
    "public.finish_file_events(uuid[])",
    "public.storage_room(text, text)",
    "private.storage_room(text, text)",
    "public.take_room(text, text, bigint)",
    "private.take_room(text, text, bigint)",
    "ops.note_restored(text, text, text, text, text, text)",
    "private.note_restored(text, text, text, text, text, text)",
    "private.take_file_events(integer)",
    "private.finish_file_events(uuid[])",
    "public.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint)",
    "private.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint)",
)
# The app's servers reach the queue by schema public, the cleaner by schema ops.
QUEUE_FUNCTIONS = (
    "private.take_deletions(integer)",
    "private.finish_deletions(uuid[])",
)
# Beside these the cleaner's login has rows of storage.objects.
CLEANERS_FUNCTIONS = (
    "ops.recorded_objects(text[], text[])",
    "ops.quarantine()",
    "ops.forget_quarantined(text, text, text)",
    "ops.abandoned_files(interval, integer)",
    "ops.count_abandoned(interval)",
    "ops.waiting_deletions()",
    "ops.take_deletions(integer)",
    "ops.finish_deletions(uuid[])",
    "ops.forget_empty_usage()",
    "ops.note_kept(text[], text[], bigint[])",
    "ops.unserved_files(integer)",
    "ops.finish_unserved(uuid[])",
    "ops.finish_gone(text[], text[], text[])",
    "private.recorded_objects(text[], text[])",
    "private.quarantine()",
    "private.forget_quarantined(text, text, text)",
    "private.abandoned_files(interval, integer)",
    "private.count_abandoned(interval)",
    "private.waiting_deletions()",
    "private.forget_empty_usage()",
    "private.note_kept(text[], text[], bigint[])",
    "private.unserved_files(integer)",
    "private.finish_unserved(uuid[])",
    "private.finish_gone(text[], text[], text[])",
    "ops.kept_instants()",
    "private.kept_instants()",
)
# Of what a backup names nothing is removed while it is kept. Who makes backups notes their drills too.
BACKUPS_FUNCTIONS = (
    "ops.keep_instant(text, timestamptz, integer, text)",
    "ops.release_instant(text)",
    "ops.note_drill(text, boolean, interval, interval, text)",
    "private.note_drill(text, boolean, interval, interval, text)",
    "private.keep_instant(text, timestamptz, integer, text)",
    "private.release_instant(text)",
)
# Both learn that the CDN must forget something which no row's end says.
UNSERVING_FUNCTIONS = (
    "ops.unserve(text[], text[], text[])",
    "private.unserve(text[], text[], text[])",
)
# Beside these the scanner's login has nothing.
SCANNERS_FUNCTIONS = (
    "ops.take_scans(integer)",
    "ops.retry_scan(text, text, text, bigint, interval)",
    "ops.settle_scan(text, text, text, bigint, text, text, text)",
    "ops.reopen_scans()",
    "private.take_scans(integer)",
    "private.retry_scan(text, text, text, bigint, interval)",
    "private.settle_scan(text, text, text, bigint, text, text, text)",
    "private.reopen_scans()",
)
# The monitor's other figures are in views of the server's own.
MONITORS_FUNCTIONS = (
    "ops.drills()",
    "private.drills()",
    "ops.health()",
    "ops.session_metrics()",
    "ops.table_metrics()",
    "ops.index_metrics()",
    "ops.server_metrics()",
    "ops.maintenance()",
    "private.maintenance()",
    "ops.maintenance_metrics()",
    "private.maintenance_tasks()",
    "ops.app_metrics()",
    "private.app_metrics()",
    "ops.usage_metrics()",
    "private.usage_metrics()",
    "ops.bloat_metrics(text[], double precision[])",
    "private.bloat_metrics(text[], double precision[])",
    "ops.health_history(text, timestamptz)",
    "private.health_history(text, timestamptz)",
    "ops.waiting_departures()",
    "private.waiting_departures()",
    "ops.slow_statements(integer)",
    "ops.storage_report()",
    "ops.storage_growth(date)",
    "private.storage_report()",
    "private.storage_growth(date)",
)
# Housekeeping: the login that provisions runs it, or a scheduler that does so as the owner.
OWNERS_FUNCTIONS = (
    "private.at_most(integer, integer)",
    "private.is_at_cdn(text)",
    "private.first_uuid(timestamptz)",
    "private.is_file_name(text)",
    "private.plain_text(text)",
    "private.indexed_part(tsquery)",
    "private.newest_of(uuid[], boolean, tsquery, bigint, bigint)",
    "private.some_with(tsquery, boolean)",
    "private.newest_with(tsquery, boolean, uuid[])",
    "private.search_text(text, boolean)",
    "private.excerpt(text, text)",
    "private.search_in_projects(regclass, regclass, name, name, name[], text, integer, real, uuid, text)",
    "private.text_config(text)",
    "private.language_of(uuid)",
    "private.words_of(text, regconfig, integer)",
    "private.text_words(text, text, text)",
    "private.search_query(text, regconfig)",
    "ops.make_partitions(integer, date)",
    "ops.retire_partitions(interval)",
    "ops.retire_partitions(interval, interval)",
    "ops.keep_partitions(integer, interval, interval, text[], text[], text[])",
    "ops.forget_expired()",
    "ops.forget_invitations()",
    "ops.forget_calls()",
    "ops.date_undated()",
    "private.date_undated()",
    "ops.run_task(text, interval, interval, boolean, text)",
    "ops.do_task(text)",
    "ops.stop_tasks()",
    "ops.begin_run(text)",
    "private.begin_run(text)",
    "ops.end_run(text, boolean, text)",
    "private.end_run(text, boolean, text)",
    "ops.note_health()",
    "private.note_health(text[], text[], double precision[])",
    "ops.forget_file_events()",
    "private.forget_file_events()",
    "ops.note_storage()",
    "private.note_storage()",
    "ops.erase_departed(bigint, bigint)",
    "ops.forget_generations(bigint, bigint)",
    "ops.release_file(text, text, text, text, text, boolean)",
    "private.release_file(text, text, text, text, text, boolean)",
    "ops.depart(uuid[])",
    "ops.departures(timestamptz)",
    "ops.exported_tables()",
    "ops.export_rows(uuid, text)",
    "ops.export_files(uuid)",
    "private.personal_columns()",
    "private.erase_column(uuid, regclass, name, boolean, bigint)",
    "private.erase_projects(uuid, bigint)",
    "private.leave_projects(uuid)",
    "private.erase(uuid, bigint)",
    "private.people_to_erase()",
    "private.forget_addresses(text[])",
    "private.unwanted_addresses(bigint)",
    "private.depart(uuid[])",
    "private.departures(timestamptz)",
    "ops.structure_changes(timestamptz)",
    "private.structure_changes_since(timestamptz)",
    "private.privileges_in(text)",
    "private.export_rows(uuid, text)",
    "private.export_files(uuid)",
    "ops.refresh_summaries()",
    "private.make_partitions(integer, date)",
    "private.make_partition(text, text, text, text)",
    "private.close_partition(text, text, text)",
    "private.retire_partitions(interval, interval)",
    "private.missing_partitions(integer, date)",
    "private.old_partitions(interval, interval)",
    "private.add_partition(text, text, text, date)",
    "private.retire_partition(text, text, text, date)",
    "private.set_trigger(regclass, name, text)",
    "private.copy_trigger(oid, regclass)",
    "private.forget_expired()",
    "private.forget_invitations()",
    "private.open_invitation(uuid)",
    "private.lower_address(text)",
    "private.addresses_of(uuid)",
    "private.not_of(uuid[], uuid[])",
    "private.reserve(uuid, uuid, uuid, text, text, bigint, numeric, boolean)",
    "private.my_address()",
    "private.me()",
    "private.limit_projects(uuid)",
    "private.refuse_invitations(bigint)",
    "private.setting(text)",
    "private.bucket_access(text)",
    "private.token_claims(text)",
    "private.forget_calls()",
    "private.forget_generations(uuid, bigint)",
    "private.refresh_summaries()",
    "audit.verify(jsonb, timestamptz)",
    "audit.anchor()",
    "private.audit_verify(jsonb, timestamptz)",
    "private.audit_anchor()",
    "private.audit_retire(text, timestamptz)",
    "private.audit_hash(bytea, audit.log)",
    "private.audit_lane()",
    "private.audit_write(text, text, text[], jsonb[], jsonb[], text[])",
    "private.acts_as_super_admin()",
    "private.audit_table(regclass, text[], text[], text, boolean, text[], text)",
    "private.audit_subject(text)",
    "private.audit_sealed(text, jsonb)",
    "private.audit_destroy(text)",
    "private.audit_know(text[])",
    "private.audit_opened(jsonb, text, bytea)",
    "private.tokens_by_key()",
    "private.reseal_accounts(uuid, integer)",
    "private.resealed(uuid, text, text, text)",
    "private.sealed(uuid, text, text)",
    "private.forget_sealed(text)",
    "private.as_uuid(text)",
    "private.room_of(text)",
    "private.file_types(text)",
    "private.type_fits(text, text[])",
    "private.object_bytes(jsonb)",
    "private.budget_setting(text, text)",
    "private.is_server()",
    "private.strongest_role(text[])",
    "private.release_budget(uuid)",
    "private.budget_month(timestamptz)",
    "private.budget_of(uuid)",
    "private.budget_taken(uuid, uuid)",
    "private.add_to_budget(uuid, timestamptz, bigint, numeric)",
    "private.default_quota()",
    "private.quota_of(uuid)",
    "private.date_projects(uuid[])",
    "private.most_components()",
    "private.limit_components(uuid, integer)",
    "private.place_at(bigint)",
    "private.place_between(text, text)",
    "private.place_behind(uuid, uuid)",
    "private.order_components(uuid, uuid[])",
    "private.shows_project(uuid)",
    "private.edit_project(uuid)",
    "private.edit_component(uuid)",
    "private.project_of(text)",
    "private.is_folder_of_somebody(text, uuid)",
    "private.folder_of(text)",
    "private.payer(uuid, text)",
    "private.charge(uuid, bigint, bigint, bigint, bigint)",
    "private.notes_kept()",
    "private.add_usage(private.storage_usage[])",
)
# Trigger functions run without anybody's privilege to execute them.
TRIGGER_FUNCTIONS = (
    "private.tg__updated_at()",
    "private.tg__date_projects()",
    "private.tg__date_project()",
    "private.tg_users__create_profile()",
    "private.tg_users__know_zone()",
    "private.tg_users__forget()",
    "private.tg_ddl__record()",
    "private.tg_project_components__broadcast()",
    "private.tg_users__depart()",
    "private.tg_prompt_generations__advance()",
    "private.tg_prompt_generations__begin()",
    "private.tg_prompt_generations__reserve()",
    "private.tg_prompt_generations__release()",
    "private.tg_api_usage__stale_days()",
    "private.tg__stale_projects()",
    "private.tg_api_usage__count()",
    "private.tg_collaborators__invite()",
    "private.tg_collaborators__prepare()",
    "private.tg_collaborators__count()",
    "private.tg_projects__stay_shared()",
    "private.tg_accounts__seal()",
    "private.tg_accounts__note_address()",
    "private.tg_users__note_address()",
    "private.tg_users__fold_address()",
    "private.tg_accounts__insert()",
    "private.tg_sealing_keys__keep_used()",
    "private.tg_projects__words()",
    "private.tg_projects__list()",
    "private.tg_audio_recordings__words()",
    "private.tg_prompt_generations__words()",
    "private.tg_audio_recordings__queue_deletion()",
    "private.tg_audio_recordings__take_file()",
    "private.tg_storage_objects__queue_scan()",
    "private.tg_object_scans__record()",
    "private.tg_object_scans__note_event()",
    "private.tg_storage_objects__check_limits()",
    "private.tg_storage_objects__check_name()",
    "private.tg_storage_objects__check_project()",
    "private.tg_storage_objects__refuse_person()",
    "private.tg_storage_objects__count()",
    "private.tg_storage_objects__unserve()",
    "private.tg_projects__charge()",
    "private.tg_projects__discharge()",
    "private.tg_settings__charge()",
    "private.tg_settings__unserve()",
    "private.tg_users__queue_files()",
    "private.tg_projects__queue_files()",
    "private.tg_project_components__take_place()",
    "private.tg_project_components__next_revision()",
    "private.tg_project_components__want_revision()",
    "private.tg_project_components__check_recording()",
    "private.tg_project_components__check_tree()",
    "private.tg_project_components__limit()",
    "private.tg_project_components__limit_bytes()",
    "private.tg_projects__limit()",
    "private.tg__append_only()",
    "private.tg_audit_retired__audit()",
    "private.tg_next_auth_accounts__audit()",
    "private.tg_next_auth_users__audit()",
    "private.tg_public_audio_recordings__audit()",
    "private.tg_public_collaborators__audit()",
    "private.tg_public_project_components__audit()",
    "private.tg_public_projects__audit()",
    "private.tg_public_prompt_generations__audit()",
    "private.tg_public_users__audit()",
    "private.tg_storage_buckets__audit()",
    "storage.enforce_bucket_name_length()",
    "storage.update_updated_at_column()",
    "storage.protect_delete()",
)
FUNCTIONS: Grants = {
    **{name: {role: ["execute"] for role in API} for name in (*API_FUNCTIONS, *VISITORS_FUNCTIONS)},
    **{name: {role: ["execute"] for role in (*API, "storage_service")} for name in VERDICT_FUNCTIONS},
    **{name: {role: ["execute"] for role in ("authenticated", "service_role")} for name in PEOPLES_FUNCTIONS},
    **{name: {"service_role": ["execute"]} for name in SERVERS_FUNCTIONS},
    **{name: {} for name in (*OWNERS_FUNCTIONS, *TRIGGER_FUNCTIONS)},
    **{name: {role: ["execute"] for role in ("service_role", "cleaner")} for name in QUEUE_FUNCTIONS},
    **{name: {role: ["execute"] for role in ("scanner", "cleaner")} for name in UNSERVING_FUNCTIONS},
    **{name: {"cleaner": ["execute"]} for name in CLEANERS_FUNCTIONS},
    **{name: {"scanner": ["execute"]} for name in SCANNERS_FUNCTIONS},
    **{name: {"backup": ["execute"]} for name in BACKUPS_FUNCTIONS},
    **{name: {"monitor": ["execute"]} for name in MONITORS_FUNCTIONS},
    "private.uuid_v7()": {role: ["execute"] for role in ("authenticated", "service_role", "authjs")},
    # Checks on tables that these roles write.
    "private.is_bounded_object(jsonb, integer)": {role: ["execute"] for role in ("authenticated", "service_role")},
    "private.is_display_name(text)": {role: ["execute"] for role in ("authenticated", "service_role")},
    "private.is_picture_url(text)": {role: ["execute"] for role in ("authenticated", "service_role")},
    # The view audit.entries asks it.
    "private.audit_open(jsonb)": {"authenticated": ["execute"]},
    # The view authjs.accounts asks it; it opens nothing without the session's keys.
    "private.unsealed(uuid, text, text)": {"authjs": ["execute"]},
}

GRANTS = {"table": TABLES, "function": FUNCTIONS}
