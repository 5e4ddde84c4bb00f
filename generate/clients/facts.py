"""What PostgreSQL can't know of its own functions, declared once and held by tests that call them with data.

Functions by `schema.name`; the column of one that returns a single value is the empty text.
"""

from collections.abc import Mapping

# Function → columns of its result that may be null. All others never are.
NULLABLE: Mapping[str, frozenset[str]] = {
    # Who invited is gone, or has no name.
    "public.my_invitations": frozenset({"invited_by"}),
    "public.project_members": frozenset({"display_name", "avatar_url"}),
    "public.project_owners": frozenset({"display_name", "avatar_url"}),
    # Null: no quota counts it.
    "public.storage_room": frozenset({""}),
    "public.take_room": frozenset({""}),
    "ops.take_scans": frozenset({"mime_type"}),
}

# `function.column` of a result, or `function(argument)` → the values that are possible; `schema.table.column` stands
# for those that its check constraint lists.
VALUES: Mapping[str, tuple[str, ...]] = {
    "public.create_project(visibility)": ("public.projects.visibility",),
    "public.my_budget.measure": ("tokens", "cost"),
    "public.my_invitations.role": ("public.collaborators.role",),
    "public.project_members.role": ("owner", "public.collaborators.role"),
    "public.record_generation.": ("succeeded", "failed", "cancelled", "deleted"),
    "public.search_projects.visibility": ("public.projects.visibility",),
    "public.take_file_events.event": ("private.file_events.event",),
}

# `table.column` without a default that a trigger fills: the generator takes it for required.
FILLED_BY_TRIGGER = frozenset(
    {
        "public.project_components.position",
        # As the file is stored.
        "public.audio_recordings.bytes",
        "public.audio_recordings.mime_type",
    }
)

# `view.column` that is never null, which PostgreSQL knows of no view.
NEVER_NULL: frozenset[str] = frozenset()

# Query pattern → how many rows it returns, where it isn't many. One that breaks it fails in the client.
ROWS: Mapping[str, str] = {
    "add_component": "one",
    "authjs_session_and_user": "at most one",
    "authjs_use_token": "at most one",
    "authjs_user_by_account": "at most one",
    "authjs_user_by_email": "at most one",
    "measure_percentiles": "one",
    "open_project": "at most one",
    "save_component": "at most one",
    "start_generation": "one",
    "take_generation": "at most one",
}

# `pattern.column` that is an expression → whether it may be null.
EXPRESSIONS: Mapping[str, bool] = {
    "list_components_of_own_projects.count": False,
    "measure_percentiles.count": False,
    # Null where nothing was measured.
    "measure_percentiles.percentile_cont": True,
}

# The headers name a parameter after the row that tests take for it; the functions after what it is.
PARAMETERS: Mapping[str, str] = {
    "list": "components",
    "public_project": "project",
    "public_projects": "projects",
    "rare_prompt": "words",
    "rare_transcript": "words",
    "rare_words": "words",
    "team_project": "project",
    "waiting_generation": "generation",
}

# `pattern.parameter` that may be null. All others never are.
NULLABLE_PARAMETERS = frozenset(
    {
        # To the front.
        "move_component.after",
        # Out of all groups.
        "nest_component.parent",
        # A call that failed has no answer, one that succeeded no error.
        "record_generation.response",
        "record_generation.error",
        "record_generation.latency_ms",
    }
)

# `pattern.parameter` → the values that are possible, as in VALUES.
PARAMETER_VALUES: Mapping[str, tuple[str, ...]] = {
    "add_component.kind": ("public.project_components.kind",),
    "create_project.visibility": ("public.projects.visibility",),
}

# The roles that a token can name. Other patterns run as their own login.
ROLES = ("anon", "authenticated", "service_role")

_HEAVY = "For somebody with 15,000 projects {} times the same query without row policies"
_SOURCE = "([decision 15](../decisions/0015-row-policies-at-a-million-projects.md))."
# Query pattern → what was measured of it at 1,000,000 projects, and where that stands.
COSTS: Mapping[str, str] = {
    "list_collaborators": f"{_HEAVY.format('1.65')} {_SOURCE}",
    "list_components": "0.45 ms without row policies, in memory ([capacity.md](../capacity.md)).",
    "list_components_of_own_projects": f"{_HEAVY.format('3.3')}, prepared, for 5,000 own projects {_SOURCE}",
    "list_generations": f"{_HEAVY.format('1.8')} {_SOURCE}",
    "list_my_activity": f"{_HEAVY.format('1.75')} {_SOURCE}",
    "list_recordings": f"{_HEAVY.format('1.75')} {_SOURCE}",
    "list_shared_projects": f"{_HEAVY.format('2.7')}, prepared, for 9,000 shared projects {_SOURCE}",
    "open_project": "0.29 ms without row policies, in memory ([capacity.md](../capacity.md)).",
    "search_generations": f"2.27 times the same query without row policies, prepared, for a typical person {_SOURCE}",
}
