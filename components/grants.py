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
    "storage": _usage(*API, "app_owner"),
    "next_auth": _usage("authjs", "service_role"),
    "analytics": {},
    "audit": {},
    "private": {},
    "ops": _usage("monitor"),
}

# Inserts and updates name their columns, so that a review sees what can be written.
TABLES: Grants = {
    "next_auth.users": {
        "authjs": ["select", "insert(name, email, emailVerified, image)", "update(name, email, emailVerified, image)", "delete"],
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

FUNCTIONS: Grants = {
    "private.uuid_v7()": {role: ["execute"] for role in ("authenticated", "service_role", "authjs")},
}

GRANTS = {"table": TABLES, "function": FUNCTIONS}
