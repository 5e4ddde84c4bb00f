"""One psql session that runs the steps' files: what our own figures are held against."""

from pathlib import Path

from local import postgres


def session(server: postgres.RunningServer, database: str, folder: Path, direction: str, one: bool) -> list[str | Path]:
    """The command for the up or down scripts, with a transaction for each file or one for all."""
    names = sorted(folder.glob(f"*.{direction}.sql"), reverse=direction == "down")
    script = folder.parent / f"{direction}-{'one' if one else 'each'}.psql"
    lines = [f"\\i '{name}'" if one else f"begin;\n\\i '{name}'\ncommit;" for name in names]
    script.write_text("\n".join(["begin;", *lines, "commit;"] if one else lines))
    login = ["-h", server.host, "-p", str(server.port), "-U", server.user, "-d", database]
    return [postgres.wheel_binaries() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *login, "-f", script]


def environment(server: postgres.RunningServer) -> dict[str, str]:
    """The variables that it needs."""
    return {"PGPASSWORD": server.password, "PGOPTIONS": "-c client_min_messages=warning"}
