"""Supabase's own generator of types, `@supabase/postgres-meta`, run on a database."""

import os
import subprocess
from collections.abc import Sequence

import toolchain
from generate.clients.catalogue import TypesError
from toolchain import node, versions

ENTRY = "@supabase/postgres-meta/dist/server/server.js"
SECONDS = 120


def types(url: str, schemas: Sequence[str]) -> str:
    """The TypeScript module that it writes for some schemas of the database of `url`.

    :raises TypesError: if it ends without types
    :raises ToolchainError: if Node or the package can't be had
    """
    packages = node.ensure(toolchain.context_of(), versions.POSTGRES_META)
    asked = {
        "PG_META_GENERATE_TYPES": "typescript",
        "PG_META_GENERATE_TYPES_INCLUDED_SCHEMAS": ",".join(schemas),
        "PG_META_GENERATE_TYPES_DETECT_ONE_TO_ONE_RELATIONSHIPS": "true",
        "PG_META_DB_URL": url,
    }
    done = subprocess.run(
        [packages.node, "--no-warnings", packages.modules / ENTRY],
        env=packages.environment(os.environ) | asked,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode or "export type Database = " not in done.stdout:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise TypesError(f"@supabase/postgres-meta: no types, status {done.returncode}: {said}")
    return done.stdout
