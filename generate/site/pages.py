"""What the site is made of: the pages of this repository at their own paths, so that their links hold.

Markdown is taken as it is. A page may link a folder or a file of code, which a reader of the repository just opens; the
site gets a page for each.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from declared.errors import UserError

HOME = "README.md"
CODE = {".py": "python", ".sql": "sql", ".ts": "ts", ".mjs": "js", ".json": "json", ".yml": "yaml", ".yaml": "yaml"}
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")


def assembled(checkout: Path) -> dict[str, str]:
    """Path within the site → Markdown: what the README and `docs/` lead to, page by page.

    :raises UserError: for a link that leads nowhere
    """
    pending = [HOME, *(path.relative_to(checkout).as_posix() for path in sorted((checkout / "docs").rglob("*.md")))]
    found: dict[str, str] = {}
    while pending:
        name = pending.pop()
        if name not in found:
            target = checkout / name
            text = target.read_text() if name.endswith(".md") and target.is_file() else _made(checkout, name)
            found[name], linked = with_pages(checkout, name, text)
            pending += linked
    return found


def with_pages(checkout: Path, name: str, text: str) -> tuple[str, list[str]]:
    """A page whose links lead to pages, and the pages that they lead to.

    :raises UserError: for a link that leads nowhere
    """
    linked: list[str] = []

    def page(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(name), match[1]))
        if target.startswith("..") or not (checkout / target).exists():
            raise UserError(f"{name}: the link {match[1]} leads nowhere")
        linked.append(of(checkout, target))
        return os.path.relpath(linked[-1], os.path.dirname(name) or ".") + (match[2] or "")

    return "\n".join(_outside_code(text, lambda line: LINK.sub(page, line))), linked


def of(checkout: Path, target: str) -> str:
    """The page of a file or folder of the repository."""
    if (checkout / target).is_dir():
        return f"{target}/{HOME}" if target != "." else HOME
    return target if target.endswith(".md") else f"{target}.md"


def _outside_code(text: str, change: Callable[[str], str]) -> Iterator[str]:
    fence = ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        inside = bool(fence)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip(" `~"):
            fence = ""
        yield line if mark or inside else change(line)


def _made(checkout: Path, name: str) -> str:
    """The page of a folder without one of its own, or of a file that is no Markdown."""
    path = checkout / name
    if path.name == HOME:
        return _folder(path.parent, path.parent.relative_to(checkout).as_posix())
    source = path.with_name(path.name.removesuffix(".md"))
    return f"# {source.relative_to(checkout).as_posix()}\n\n{_code(source)}"


def _folder(folder: Path, name: str) -> str:
    inside = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pages = [path for path in inside if path.suffix == ".md"]
    if pages:
        return f"# {folder.name.capitalize()}\n\n" + "".join(
            f"- [{title(path.read_text())}]({path.name})\n" for path in pages
        )
    return f"# {name}\n\n" + "\n".join(f"## {path.name}\n\n{_code(path)}" for path in inside)


def _code(path: Path) -> str:
    text = path.read_text().rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=0))
    return f"{fence}{CODE.get(path.suffix, 'text')}\n{text}\n{fence}\n"


def title(text: str) -> str:
    """A page's first heading, without marks of code."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].replace("`", "") if found else ""
