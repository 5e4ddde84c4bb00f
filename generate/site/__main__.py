"""`python -m generate.site`: build the site of the docs, and serve it if asked; `make site`."""

import functools
import http.server
import sys
from pathlib import Path
from typing import Annotated

import typer

from declared.errors import UserError
from generate.site import building
from toolchain import ToolchainError

app = typer.Typer(add_completion=False)


@app.command()
def main(
    output: Annotated[Path, typer.Option(help="Folder that the site is written to.")] = building.OUTPUT,
    serve: Annotated[int, typer.Option(help="Serve it on this port of 127.0.0.1 until Ctrl-C.")] = 0,
) -> None:
    """Build the docs as a web site, without a network once its tools are in the cache."""
    try:
        count = building.build(output)
    except (UserError, ToolchainError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{count} pages in {output}; open {output / 'index.html'}")
    if serve:
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=output)
        with http.server.ThreadingHTTPServer(("127.0.0.1", serve), handler) as server:
            print(f"http://127.0.0.1:{serve}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()


app()
