"""Every grant there is, by object; what isn't here is revoked. The owner's own rights aren't grants."""

Grants = dict[str, dict[str, list[str]]]

API = ("anon", "authenticated", "service_role")
EVERYTHING = ["select", "insert", "update", "delete"]


def _usage(*roles: str) -> dict[str, list[str]]:
    return {role: ["usage"] for role in roles}


# Schemas come first: migrations run as the owner, which needs them.
SCHEMAS: Grants = {
    "public": {"app_owner": ["usage", "create"], **_usage(*API)},
    "extensions": _usage(*API),
    "auth": _usage(*API, "supabase_storage_admin"),
    "storage": _usage(*API),
    "next_auth": _usage("authjs", "service_role"),
    "analytics": {},
    "audit": {},
    "private": {},
    "ops": _usage("monitor"),
}

# Inserts and updates name their columns, so that a review sees what can be written.
TABLES: Grants = {
    "next_auth.users": {
        "authjs": [
            "select",
            "insert(name, email, emailVerified, image)",
            "update(name, email, emailVerified, image)",
            "delete",
        ],
        "service_role": EVERYTHING,
    },
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
    "storage.buckets": {"anon": ["select"], "authenticated": ["select"], "service_role": EVERYTHING},
    "storage.objects": {"anon": ["select"], "authenticated": EVERYTHING, "service_role": EVERYTHING},
}

API_FUNCTIONS = (
    "auth.uid()",
    "auth.role()",
    "auth.email()",
    "auth.jwt()",
    "storage.foldername(text)",
    "storage.filename(text)",
    "storage.extension(text)",
    "storage.operation()",
    "storage.allow_only_operation(text)",
    "storage.allow_any_operation(text[])",
)
# Trigger functions run without anybody's right to execute them.
TRIGGER_FUNCTIONS = (
    "private.tg__updated_at()",
    "private.tg_users__create_profile()",
    "storage.enforce_bucket_name_length()",
    "storage.update_updated_at_column()",
    "storage.protect_delete()",
)
FUNCTIONS: Grants = {
    **{name: {role: ["execute"] for role in API} for name in API_FUNCTIONS},
    **{name: {} for name in TRIGGER_FUNCTIONS},
    "private.uuid_v7()": {role: ["execute"] for role in ("authenticated", "service_role", "authjs")},
}

GRANTS = {"table": TABLES, "function": FUNCTIONS}
