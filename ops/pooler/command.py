"""The command line of the pooler; see docs/pooling.md."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]


@app.command(
    epilog="Example: ./vpb pooler /etc/vpb-pooler --stack prod --cores 8 && pgbouncer /etc/vpb-pooler/pgbouncer.ini"
)
def pooler(
    folder: Annotated[Path, typer.Argument(help="where the files go; those that are there are replaced")],
    stack: Stack = "dev",
    listen: Annotated[str, typer.Option(help="host and port that clients reach it by")] = "127.0.0.1:6432",
    cores: Annotated[
        int | None, typer.Option(min=1, max=1024, help="of the server; else a third of its connections")
    ] = None,
    clients: Annotated[int, typer.Option(min=1, max=100_000, help="how many may be connected")] = 1000,
    certificate: Annotated[Path | None, typer.Option(help="of the pooler, for TLS with clients")] = None,
    key: Annotated[Path | None, typer.Option(help="the private key of --certificate")] = None,
) -> None:
    """Write PgBouncer's configuration: transaction mode, for the API's login, sized by the limits of the server.

    Write it again after each `./vpb rotate`, and after `max_connections` has changed.
    """
    from declared import connectionurl
    from ops.database import connect
    from ops.environment import Environment
    from ops.pooler import files, sizes

    where = files.Listen.of(listen, certificate, key)
    environment = Environment.of(stack)
    urls = [str(environment.output(name)) for name in ("api_url", "monitor_url")]
    known = {each["user"]: each for each in map(connectionurl.parse, urls)}
    server = connectionurl.parse(urls[0])
    with connect(environment.admin_url, "vpb pooler") as connection:
        found, size = files.users(connection, known), sizes.of(connection, cores, clients)
    monitors = ",".join(name for name in files.MONITORS if name in found)
    text = files.settings(server, server["dbname"], where, size, folder, monitors=monitors)
    for path in files.write(folder, text, found):
        print(f"wrote {path}")
    print(f"clients of api_url: {files.client_url(urls[0], where)}, with its password")
