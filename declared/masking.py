"""What of the rows of another environment comes into a preview environment, and what stands in the place of the rest.

A column without a rule is masked by its type, a table that isn't declared here comes without rows. An expression is SQL
over the columns of the same row, run where the rows are read: what it takes the place of never leaves that server.
"""

from collections.abc import Mapping
from dataclasses import dataclass

TEXT = "lorem ipsum dolor sit amet, "
# What holds `{"masked": ""}` and a little more.
FRAME = 40


@dataclass(frozen=True)
class Rule:
    """What becomes of a column's values."""

    expression: str = ""
    """SQL that stands in their place; empty where they are copied."""
    reason: str = ""
    """Why a column that could hold anything is copied all the same."""

    @property
    def copied(self) -> bool:
        return not self.expression


KEEP = Rule()
NULL = Rule("null")


def mask(expression: str) -> Rule:
    """An expression in the place of the values."""
    return Rule(expression)


def keep(reason: str) -> Rule:
    """The values as they are, although their type could hold anything."""
    return Rule(reason=reason)


def filler(column: str) -> Rule:
    """Text as long as what was there, which compresses and wraps as text does; null stays null."""
    return Rule(_filler(column, f"char_length({column})"))


def filled_object(column: str) -> Rule:
    """A JSON object whose text is no longer than what was there."""
    length = f"char_length({column}::text)"
    object = f"jsonb_build_object('masked', {_filler(column, f'{length} - {FRAME // 2}')})"
    return Rule(f"case when {length} > {FRAME} then {object} else '{{}}'::jsonb end")


def alias(column: str, prefix: str, letters: bool = False) -> Rule:
    """Another word for each different word, so that rows of one group stay one.

    Args:
        letters: whether the column takes no digits.
    """
    digest = f"md5({column})"
    if letters:
        digest = f"translate({digest}, '0123456789', 'ghijklmnop')"
    return Rule(f"'{prefix}' || left({digest}, 8)")


def _filler(column: str, length: str) -> str:
    return f"left(repeat('{TEXT}', 1 + {length} / {len(TEXT)}), {length})"


def _kept(*columns: str) -> dict[str, Rule]:
    return dict.fromkeys(columns, KEEP)


WORD = keep("one of a few words, by its check")
WORDS = mask("'''lorem'' ''ipsum'''::tsvector")
TIMES = ("created_at", "updated_at")
CALLED = {"provider": alias("provider", "provider-"), "model": alias("model", "model-")}

COPIED: Mapping[str, Mapping[str, Rule]] = {
    "next_auth.users": {
        **_kept("id", "emailVerified"),
        "name": mask("case when name is not null then 'Person ' || right(id::text, 6) end"),
        "email": mask("case when email is not null then 'person-' || id || '@example.org' end"),
        "image": NULL,
    },
    "public.users": {
        **_kept("id", *TIMES),
        "display_name": mask("case when display_name is not null then 'Person ' || right(id::text, 6) end"),
        "avatar_url": NULL,
        "locale": mask("'en'"),
        "time_zone": mask("'UTC'"),
        "settings": filled_object("settings"),
        # Who administers the other environment doesn't administer this one.
        "is_super_admin": mask("false"),
    },
    "public.projects": {
        **_kept("id", "owner_id", "archived_at", *TIMES),
        "title": filler("title"),
        "description": filler("description"),
        "visibility": WORD,
        "settings": filled_object("settings"),
    },
    "public.collaborators": {
        **_kept("id", "project_id", "user_id", "invited_by", "invited_at", "expires_at", "accepted_at", "updated_at"),
        "email": mask("case when email is not null then 'invited-' || id || '@example.org' end"),
        "role": WORD,
    },
    "public.audio_recordings": {
        **_kept("id", "project_id", "created_by", "bytes", "duration_ms", "sample_rate", "scanned_at", *TIMES),
        "title": filler("title"),
        "bucket_id": mask("'audio'"),
        "object_path": mask("project_id || '/' || id || '.ogg'"),
        "mime_type": mask("'audio/ogg'"),
        "transcript": filler("transcript"),
        "scan_status": WORD,
    },
    "public.project_components": {
        **_kept("id", "project_id", "parent_id", "recording_id", "x", "y", "width", "height", "revision", *TIMES),
        "kind": WORD,
        "title": filler("title"),
        "position": keep("digits alone, by its check, and different within a project"),
        "properties": filled_object("properties"),
    },
    "public.prompt_generations": {
        **_kept("id", "project_id", "created_by", "tokens_in", "tokens_out", "cost", "latency_ms", "estimated_tokens"),
        **_kept("estimated_cost", "started_at", "finished_at", *TIMES),
        **CALLED,
        "prompt": filler("prompt"),
        "parameters": filled_object("parameters"),
        "status": WORD,
        "response": filler("response"),
        "error": filler("error"),
    },
    "analytics.api_usage": {
        **_kept("id", "created_at", "user_id", "project_id", "generation_id", "tokens_in", "tokens_out", "cost"),
        **_kept("latency_ms", "succeeded"),
        **CALLED,
        "operation": WORD,
    },
    "analytics.performance_metrics": {
        **_kept("id", "created_at", "value"),
        "name": alias("name", "metric."),
        "unit": WORD,
        "route": NULL,
        "labels": mask("'{}'"),
    },
    "analytics.user_activity": {
        **_kept("id", "created_at", "user_id", "project_id"),
        "action": alias("action", "action.", letters=True),
        "details": filled_object("details"),
    },
    "analytics.project_totals": _kept(
        "project_id", "components", "recordings", "duration_ms", "generations", "tokens", "cost"
    ),
    "analytics.usage_overview": {**_kept("day", "requests", "tokens"), **CALLED},
    "private.budget_limits": _kept("user_id", "soft_tokens", "hard_tokens", "soft_cost", "hard_cost"),
    "private.budget_usage": _kept("user_id", "month", "tokens", "cost"),
    "private.invitation_counts": _kept("user_id", "day", "invitations"),
    "private.storage_quotas": _kept("user_id", "bytes"),
    # Titles, transcripts, prompts and answers, word by word.
    "private.project_words": {**_kept("project_id", "listed"), "words": WORDS},
    "private.recording_words": {**_kept("recording_id"), "words": WORDS},
    "private.generation_words": {**_kept("generation_id"), "words": WORDS},
}
"""Table → column → what becomes of it."""

SECRET, LOG, QUEUE = "secrets", "a log", "work that waits there, and is done there"
FILES = "stored files aren't copied"
EMPTY: Mapping[str, str] = {
    "next_auth.accounts": SECRET,
    "next_auth.sessions": SECRET,
    "next_auth.verification_tokens": SECRET,
    "private.audit_keys": SECRET,
    "private.sealing_keys": "each environment has keys of its own",
    "private.settings": "`up` writes those of this environment",
    "private.proved_addresses": "addresses, and who has them at a sign-in provider",
    "private.recorded_calls": "what callers sent",
    "private.departures": "people who have left",
    "audit.heads": LOG,
    "audit.log": LOG,
    "audit.retired": LOG,
    "analytics.error_logs": LOG,
    "private.health_samples": LOG,
    "private.maintenance_runs": LOG,
    "private.structure_changes": LOG,
    "private.backups": "backups of the other environment",
    "private.budget_reservations": QUEUE,
    "private.deletion_queue": QUEUE,
    "private.file_events": QUEUE,
    "private.stale_summaries": QUEUE,
    "private.undated_projects": QUEUE,
    "private.unserved_files": QUEUE,
    "private.object_scans": FILES,
    "private.storage_usage": FILES,
    "analytics.storage_days": FILES,
    "storage.buckets": "`up` makes those of this environment",
    "storage.objects": FILES,
    "realtime.messages": "what people have sent to each other",
}
"""Tables that come without rows, and why; one that is in neither comes without rows too."""
