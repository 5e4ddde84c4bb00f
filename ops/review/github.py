"""GitHub's REST API, as far as a report needs it: one comment of a pull request, one issue, each up to date.

A comment or an issue of ours begins with a mark, which no reader sees. Whose it is counts too:
anybody can write a mark.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from declared.errors import printable
from ops.errors import CommandError

# Seconds; GitHub answers within ten, as its documentation says.
TIMEOUT = 15
# Of a body, as GitHub's API documents it.
LONGEST = 65_536
CUT = "\n\n… cut off: a comment has at most 65,536 characters. The whole report is in the summary of the job's run."
FENCE = re.compile(r"`{3,}")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
PAGE = 100
NEEDED = {"pulls": "pull-requests", "issues": "issues"}
Done = Literal["created", "updated", "unchanged", "closed", "removed", "none"]


class _NoRedirect(HTTPRedirectHandler):
    """The token goes to nobody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class GitHub:
    """A repository, as a token may use it."""

    api: str
    repository: str
    token: str

    @classmethod
    def of_job(cls) -> "GitHub":
        """As a job of GitHub Actions has it in its environment, where the token is handed on.

        :raises CommandError: where something is missing
        """
        found = {name: os.environ.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN")}
        if missing := [name for name, value in found.items() if not value]:
            raise CommandError(f"{' and '.join(missing)}: must be set, as a job of GitHub Actions has them")
        if not REPOSITORY.fullmatch(found["GITHUB_REPOSITORY"]):
            raise CommandError(f"GITHUB_REPOSITORY {found['GITHUB_REPOSITORY']!r}: must be OWNER/NAME")
        api = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        parts = urlsplit(api)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
            raise CommandError(f"GITHUB_API_URL {api}: must be https, since the token goes there")
        return cls(api, found["GITHUB_REPOSITORY"], found["GITHUB_TOKEN"])

    def comment(self, number: int, name: str, body: str) -> Done:
        """One comment of this name under a pull request: written, or brought up to date.

        :raises CommandError: where GitHub refuses it
        """
        text = _marked(name, body)
        path = f"issues/{number}/comments"
        for found in self._pages(path, "pulls"):
            if _is_ours(found, name):
                if found["body"] == text:
                    return "unchanged"
                self._ask("PATCH", f"issues/comments/{int(found['id'])}", "pulls", {"body": text})
                return "updated"
        self._ask("POST", path, "pulls", {"body": text})
        return "created"

    def unlabel(self, number: int, label: str) -> Done:
        """Take a label off a pull request, where it has it.

        :raises CommandError: where GitHub refuses it
        """
        path = f"issues/{number}/labels"
        if not any(found.get("name") == label for found in self._pages(path, "pulls")):
            return "none"
        self._ask("DELETE", f"{path}/{quote(label, safe='')}", "pulls")
        return "removed"

    def issue(self, name: str, title: str, body: str) -> Done:
        """One open issue of this name: written, or brought up to date.

        :raises CommandError: where GitHub refuses it
        """
        text = _marked(name, body)
        for found in self._open(name):
            if (found["body"], found["title"]) == (text, title):
                return "unchanged"
            self._ask("PATCH", f"issues/{int(found['number'])}", "issues", {"title": title, "body": text})
            return "updated"
        self._ask("POST", "issues", "issues", {"title": title, "body": text})
        return "created"

    def close(self, name: str) -> Done:
        """The issues of this name that are open.

        :raises CommandError: where GitHub refuses it
        """
        done: Done = "none"
        for found in list(self._open(name)):
            self._ask(
                "PATCH", f"issues/{int(found['number'])}", "issues", {"state": "closed", "state_reason": "completed"}
            )
            done = "closed"
        return done

    def open_pull_requests(self) -> list[int]:
        """The numbers of those that are open.

        :raises CommandError: where GitHub refuses to say
        """
        return sorted(int(found["number"]) for found in self._pages("pulls?state=open", "pulls"))

    def _open(self, name: str) -> Iterator[dict[str, Any]]:
        for found in self._pages("issues?state=open", "issues"):
            if "pull_request" not in found and _is_ours(found, name):
                yield found

    def _pages(self, path: str, right: str) -> Iterator[dict[str, Any]]:
        number, sign = 0, "&" if "?" in path else "?"
        while True:
            number += 1
            found = self._ask("GET", f"{path}{sign}per_page={PAGE}&page={number}", right)
            yield from found
            if len(found) < PAGE:
                return

    def _ask(self, method: str, path: str, right: str, body: dict[str, str] | None = None) -> Any:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "visual-prompt-builder-database",
        }
        data = json.dumps(body).encode() if body else None
        request = Request(f"{self.api}/repos/{self.repository}/{path}", data, headers, method=method)
        try:
            with build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            said = _said(error)
            needed = f"{NEEDED[right]}: {'read' if method == 'GET' else 'write'}"
            advice = f"; the job needs the permission `{needed}`" if error.code in (403, 404) else ""
            raise CommandError(f"GitHub: {method} {path.partition('?')[0]}: {error.code} {said}{advice}") from None
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CommandError(f"GitHub: {self.api}: {printable(str(reason))}") from None


def _marked(name: str, body: str) -> str:
    """With its mark, no longer than GitHub takes it."""
    if not NAME.fullmatch(name):
        raise CommandError(f"--name {printable(name)!r}: must be 1 to 60 of a-z, 0-9 and -")
    text = f"{_mark(name)}\n{body.strip()}\n"
    return text if len(text) <= LONGEST else _whole_part(text, LONGEST - len(CUT)) + CUT


def _whole_part(text: str, most: int) -> str:
    """The beginning of a page, to the last line where no block is open: what follows isn't swallowed by one."""
    length = end = folded = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        length += len(line)
        if length > most:
            break
        if fence:
            fence = "" if line.strip() == fence else fence
        elif opened := FENCE.match(line):
            fence = opened[0]
        else:
            folded += line.count("<details>") - line.count("</details>")
        end = length if not fence and folded <= 0 else end
    # A single line of such a length has no better place.
    return text[: end if end > text.index("\n") + 1 else most]


def _mark(name: str) -> str:
    return f"<!-- vpb {name} -->"


def _is_ours(found: dict[str, Any], name: str) -> bool:
    return str(found.get("body") or "").startswith(_mark(name)) and (found.get("user") or {}).get("type") == "Bot"


def _said(error: HTTPError) -> str:
    try:
        said = str(json.load(error).get("message", ""))
    except (ValueError, AttributeError, OSError):
        said = ""
    return printable(" ".join((said or str(error.reason)).split()))[:200]
