"""How the tables spread over the nodes of Citus, were there any; see docs/growth.md.

No server of this project has Citus. A test reads the catalogue and holds that each table is declared here, and that
what Citus would refuse or do across nodes is exactly what is listed below, with what would have to change.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["distributed", "reference", "coordinator"]
PROJECT, PERSON, LANE = "project", "person", "lane"


@dataclass(frozen=True)
class Table:
    """Where the rows of a table lie, and why."""

    kind: Kind
    reason: str
    column: str = ""
    """What a distributed table is distributed by."""
    group: str = ""
    """Tables of one group lie together: rows with the same value of their columns are on one node."""


def _project(reason: str, column: str = "project_id") -> Table:
    return Table("distributed", reason, column, PROJECT)


def _alone(column: str, reason: str) -> Table:
    return Table("distributed", reason, column)


def _reference(reason: str) -> Table:
    return Table("reference", reason)


def _coordinator(reason: str) -> Table:
    return Table("coordinator", reason)


TABLES: dict[str, Table] = {
    "public.projects": _project("nearly all that people do is within one project", "id"),
    "public.project_components": _project("read and written with its project"),
    "public.audio_recordings": _project("read and written with its project"),
    "public.prompt_generations": _project("read and written with its project; the largest of them"),
    "private.project_words": _project("what search finds of a project"),
    "private.recording_words": _project("what search finds of a recording"),
    "private.generation_words": _project("what search finds of a generation"),
    "private.undated_projects": _project("notes that a project has changed"),
    "analytics.project_totals": _project("sums of one project"),
    "analytics.user_activity": Table("distributed", "read by its person, and deleted with them", "user_id", PERSON),
    "analytics.api_usage": _alone("id", "only grows; its person may become null, which no distribution column may"),
    "analytics.error_logs": _alone("id", "only grows; most errors have no person"),
    "analytics.performance_metrics": _alone("id", "only grows; a name alone would be one hot node"),
    "private.recorded_calls": _alone("key", "one row a call, found by its key"),
    "audit.log": Table("distributed", "a lane is one chain, written in order", "lane", LANE),
    "audit.heads": Table("distributed", "the end of a lane, held while it is written", "lane", LANE),
    "public.users": _reference("foreign keys of every group point at it"),
    "public.collaborators": _reference("row policies ask by person which projects somebody sees, for every read"),
    "private.departures": _reference("row policies ask it of every person"),
    "private.settings": _reference("a few rows, which functions on every node read"),
    "storage.buckets": _coordinator("with storage.objects"),
    "storage.objects": _coordinator("the Storage API migrates it by itself, and lists it by name"),
    "realtime.messages": _coordinator("Realtime makes and drops its days, and reads them by replication"),
    "private.object_scans": _coordinator("one row a stored file, found by its name"),
    "private.deletion_queue": _coordinator("a queue, short"),
    "private.unserved_files": _coordinator("a queue, short"),
    "private.file_events": _coordinator("a queue, short"),
    "private.backups": _coordinator("a row a backup"),
    "private.health_samples": _coordinator("some hundred rows an hour, for 90 days"),
    "private.maintenance_runs": _coordinator("some rows a night, for 90 days"),
    "private.structure_changes": _coordinator("a row a change of the structure, for 400 days"),
    "private.stale_summaries": _coordinator("a queue, short"),
    "private.storage_usage": _coordinator("small: a row a folder and bucket"),
    "private.storage_quotas": _coordinator("small: a row a person at most"),
    "private.budget_limits": _coordinator("small: a row a person at most"),
    "private.budget_usage": _coordinator("small: a row a person"),
    "private.budget_reservations": _coordinator("small: generations that run now"),
    "private.invitation_counts": _coordinator("small: a row a person and day that they invite on"),
    "private.proved_addresses": _coordinator("small: a row an account"),
    "private.audit_keys": _coordinator("small: a row a person"),
    "private.sealing_keys": _coordinator("at most four rows"),
    "next_auth.users": _coordinator("sign-in is found by address, by account and by cookie, which are unique over all"),
    "next_auth.accounts": _coordinator("with next_auth.users"),
    "next_auth.sessions": _coordinator("with next_auth.users"),
    "next_auth.verification_tokens": _coordinator("with next_auth.users"),
    "analytics.usage_overview": _coordinator("small: a row a day and model"),
    "analytics.storage_days": _coordinator("small: a row a day and bucket"),
    "audit.retired": _coordinator("small: a row a month"),
}

# What the schema doesn't fulfil yet, each with what would have to change.

COLUMNS: dict[str, str] = {
    "private.recording_words": "gets project_id, filled by the trigger that fills the words",
    "private.generation_words": "gets project_id, filled by the trigger that fills the words",
}
"""Distributed tables that lack their column."""

_WITH_PROJECT = "becomes (project_id, id); ids are random enough to stay unique without it"
KEYS: dict[str, str] = {
    "public.project_components_pkey": _WITH_PROJECT,
    "public.audio_recordings_pkey": _WITH_PROJECT,
    "public.audio_recordings_bucket_id_object_path_key": (
        "becomes (project_id, bucket_id, object_path): a file lies in its project's folder, so that says the same"
    ),
    "public.prompt_generations_pkey": _WITH_PROJECT,
    "private.recording_words_pkey": "becomes (project_id, recording_id)",
    "private.generation_words_pkey": "becomes (project_id, generation_id)",
    "private.undated_projects_pkey": _WITH_PROJECT,
    "analytics.user_activity_pkey": "becomes (user_id, id, created_at)",
}
"""Unique indexes of distributed tables without the distribution column."""

FOREIGN_KEYS: dict[str, str] = {
    "private.recording_words_recording_id_fkey": "becomes (project_id, recording_id)",
    "private.generation_words_generation_id_fkey": "becomes (project_id, generation_id)",
    "public.project_components_recording_id_fkey": "becomes (project_id, recording_id), set null (recording_id)",
    "public.collaborators_project_id_fkey": (
        "goes: a reference table can't point at a distributed one; a trigger on projects deletes the members"
    ),
}
"""Foreign keys that Citus refuses."""

_RECORDED = "the entry of the audit trail lies in another lane's shard"
_QUEUED = "the note lies in a queue on the coordinator"
_BUDGET = "the person's budget lies on the coordinator"
_ROOM = "what a folder holds is counted on the coordinator"
_MEMBERS = "members are written on every node"
_LEAVING = "what a person has lies on many shards; it is deleted in batches already"
_SCANNED = "the verdict is on the coordinator, the recording with its project"
_TASKS = "a task writes where its function does, and its run is noted on the coordinator"
WRITERS: dict[str, str] = {
    "ops.depart": _LEAVING,
    "ops.do_task": _TASKS,
    "ops.erase_departed": _LEAVING,
    "ops.forget_calls": "keys of calls and reservations; becomes two transactions",
    "ops.forget_invitations": _MEMBERS,
    "ops.refresh_summaries": "becomes one transaction for each shard",
    "ops.release_file": _SCANNED,
    "ops.reopen_scans": _SCANNED,
    "ops.run_task": _TASKS,
    "ops.settle_scan": _SCANNED,
    "private.tg__stale_projects": _QUEUED,
    "private.tg_api_usage__count": _BUDGET,
    "private.tg_api_usage__stale_days": _QUEUED,
    "private.tg_audio_recordings__queue_deletion": _QUEUED,
    "private.tg_audit_retired__audit": _RECORDED,
    "private.tg_collaborators__count": "invitations of a day are counted on the coordinator",
    "private.tg_collaborators__invite": "the project becomes shared, on its own shard",
    "private.tg_next_auth_accounts__audit": _RECORDED,
    "private.tg_next_auth_users__audit": _RECORDED,
    "private.tg_object_scans__record": _RECORDED,
    "private.tg_projects__charge": _ROOM,
    "private.tg_projects__discharge": _ROOM,
    "private.tg_projects__queue_files": _QUEUED,
    "private.tg_projects__stay_shared": _MEMBERS,
    "private.tg_prompt_generations__begin": _BUDGET,
    "private.tg_prompt_generations__release": _BUDGET,
    "private.tg_prompt_generations__reserve": _BUDGET,
    "private.tg_public_audio_recordings__audit": _RECORDED,
    "private.tg_public_collaborators__audit": _RECORDED,
    "private.tg_public_project_components__audit": _RECORDED,
    "private.tg_public_projects__audit": _RECORDED,
    "private.tg_public_prompt_generations__audit": _RECORDED,
    "private.tg_public_users__audit": _RECORDED,
    "private.tg_project_components__broadcast": "messages are on the coordinator",
    "private.tg_settings__charge": _ROOM,
    "private.tg_settings__unserve": _QUEUED,
    "private.tg_storage_buckets__audit": _RECORDED,
    "private.tg_storage_objects__queue_scan": _SCANNED,
    "private.tg_users__create_profile": "profiles are written on every node",
    "private.tg_users__depart": _LEAVING,
    "private.tg_users__forget": _LEAVING,
    "private.tg_users__queue_files": _QUEUED,
    "public.record_generation": "the call, its usage and the budget lie elsewhere than the generation",
    "public.transfer_project": _MEMBERS,
}
"""Functions that write in more than one place in one transaction, so that it is committed in two phases: those of
triggers, and what the app, servers and schedulers call. Partitions that are made or dropped by name aren't counted."""

_OWNERS = "owners become rows of public.collaborators, which is on every node"
POLICIES: dict[str, str] = {
    "public.projects": _OWNERS,
    "public.project_components": _OWNERS,
    "public.audio_recordings": _OWNERS,
    "public.prompt_generations": _OWNERS,
    "public.collaborators": _OWNERS,
}
"""Tables on the nodes whose row policies ask for rows of other shards."""

SHARDS: dict[str, str] = {
    "add_component": "project",
    "delete_project": "project",
    "list_components": "project",
    "list_components_of_public_project": "public_project",
    "list_generations": "project",
    "list_members": "project",
    "list_recordings": "project",
    "open_project": "project",
    "reorder_components": "project",
    "start_generation": "project",
    "transfer_project": "team_project",
}
"""Query patterns of one shard, each with the parameter that names it."""

_BY_ID = "names a row alone; the app adds project_id, which it has"
_BY_CALLER = "the person's rows in all projects; pages of twenty, merged"
_BY_PROJECTS = "several projects at once, each on its shard"
_BY_SESSION = "behind auth.uid() no planner sees the shard; the app names the person as a parameter"
_FOR_SERVERS = "work of servers, over all shards on purpose"
_FOR_ADMINISTRATORS = "rare, by administrators, over all shards on purpose"
ACROSS: dict[str, str] = {
    "accept_invitation": "finds the project by the invitation",
    "create_project": "the new project's id, made in the function, says where",
    "date_undated": _FOR_SERVERS,
    "decline_invitation": "finds the project by the invitation",
    "delete_component": _BY_ID,
    "drag_component": _BY_ID,
    "duplicate_project": "reads one project and writes another",
    "forget_calls": _FOR_SERVERS,
    "list_components_of_own_projects": _BY_PROJECTS,
    "list_my_activity": _BY_SESSION,
    "list_my_generations": _BY_CALLER,
    "list_my_invitations": _BY_PROJECTS,
    "list_my_recordings": _BY_CALLER,
    "list_own_projects": _BY_CALLER,
    "list_pending_scans": _FOR_SERVERS,
    "list_public_projects": "the gallery is everybody's; cached, or a reader's",
    "list_recent_errors": _FOR_ADMINISTRATORS,
    "list_recent_generations": _BY_CALLER,
    "list_recent_recordings": _BY_CALLER,
    "list_shared_projects": _BY_PROJECTS,
    "list_waiting_generations": _FOR_SERVERS,
    "measure_percentiles": _FOR_ADMINISTRATORS,
    "move_component": _BY_ID,
    "nest_component": _BY_ID,
    "record_generation": _BY_ID,
    "reopen_scans": _FOR_SERVERS,
    "save_component": _BY_ID,
    "search_generations": _BY_PROJECTS,
    "search_projects": _BY_PROJECTS,
    "search_recordings": _BY_PROJECTS,
    "show_changes_by_person": _FOR_ADMINISTRATORS,
    "show_error_history": _FOR_ADMINISTRATORS,
    "show_owners": _BY_PROJECTS,
    "show_project_summaries": _BY_PROJECTS,
    "show_row_history": _FOR_ADMINISTRATORS,
    "show_usage_by_day": "usage lies by call; the summary of a person becomes a table by person",
    "sum_my_usage": "usage lies by call; the summary of a person becomes a table by person",
    "take_generation": _BY_ID,
}
"""Query patterns that ask more shards than one, each with the reason. All others ask no distributed table."""
