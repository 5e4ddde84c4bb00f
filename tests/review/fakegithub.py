"""As much of GitHub's REST API as comments and issues need, by its documentation: pages, rights, whose something is."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "ghs_of-this-job"
REPOSITORY = "team/database"
BOT = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class FakeGitHub:
    """What is there, and what it refuses."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    """Of each pull request."""
    rights: set[str] = field(default_factory=lambda: {"pull-requests", "issues"})
    asked: list[str] = field(default_factory=list)
    url: str = ""
    redirects: str = ""
    """Where every request is sent on to."""

    def add_comment(self, body: str, user: dict[str, str] = BOT, number: int = 7) -> dict[str, Any]:
        found = {"id": 1000 + len(self.comments), "body": body, "user": user, "on": number}
        self.comments.append(found)
        return found

    def add_issue(self, title: str, body: str, user: dict[str, str] = BOT, **more: Any) -> dict[str, Any]:
        found = {"number": 1 + len(self.issues), "title": title, "body": body, "user": user, "state": "open", **more}
        self.issues.append(found)
        return found


@contextmanager
def running() -> Iterator[FakeGitHub]:
    """It listens while the block runs."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        do_POST = do_PATCH = do_DELETE = do_GET

        def _answer(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            fake.asked.append(f"{self.command} {path}")
            status, found = _handled(fake, self.command, path, query, body, self.headers.get("Authorization"))
            data = json.dumps(found).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", fake.redirects)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handled(
    fake: FakeGitHub, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any], token: str | None
) -> tuple[int, Any]:
    if fake.redirects:
        return 307, {}
    if token != f"Bearer {TOKEN}":
        return 401, {"message": "Bad credentials"}
    parts = path.removeprefix(f"/repos/{REPOSITORY}/").split("/")
    comments = parts[-1] == "comments" or parts[1:2] == ["comments"]
    labels = parts[2:3] == ["labels"]
    right = "pull-requests" if comments or labels else "issues"
    if not path.startswith(f"/repos/{REPOSITORY}/"):
        return 404, {"message": "Not Found"}
    if method != "GET" and right not in fake.rights:
        return 403, {"message": "Resource not accessible by integration"}
    if labels and method == "DELETE":
        fake.labels.remove(unquote(parts[3]))
        return 200, []
    if labels:
        return 200, [{"name": name} for name in fake.labels]
    # The documented limit of a body.
    if len(body.get("body", "")) > 65_536:
        return 422, {"message": "Validation Failed"}
    if method == "POST":
        return 201, fake.add_comment(body["body"], number=int(parts[1])) if comments else fake.add_issue(**body)
    if method == "PATCH":
        key, wanted = ("id", int(parts[2])) if comments else ("number", int(parts[1]))
        (found,) = (each for each in (fake.comments if comments else fake.issues) if each[key] == wanted)
        found.update(body)
        return 200, found
    there = fake.pulls if parts == ["pulls"] else fake.issues
    if comments:
        there = [each for each in fake.comments if each["on"] == int(parts[1])]
    if "state" in query:
        there = [each for each in there if each["state"] == query["state"][0]]
    size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
    return 200, there[(page - 1) * size : page * size]
