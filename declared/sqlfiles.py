"""What lies in `sql/`: migrations and row policies, read with file and line, refused where they break the rules.

Nothing here talks to a server. The program declares what it finds here, the provider reads the same files to run them.
"""

import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from declared import sqldirectives, sqltext
from declared.errors import UserError, printable
from declared.naming import STEP_FILE
from declared.paths import CHECKOUT
from declared.platform import Platform
from declared.roles import OWNER
from declared.schemas import HISTORY_SCHEMA, HISTORY_TABLE
from declared.sqltext import Statement as Statement
from declared.sqltext import closing, digest
from declared.sqltext import statements as statements

HEADER = (re.compile(r"-- (\d{4}) \S"), re.compile(r"-- Lock: \S.*Duration: \S"), re.compile(r"-- Down: \S"))
TRANSACTION_WORDS = re.compile(
    r"(begin|commit|rollback|(start|prepare)\s+transaction|end|abort|savepoint|release)\b", re.IGNORECASE
)
MAYBE_TRANSACTION = re.compile(rf"(?:^|;|\*/)\s*{TRANSACTION_WORDS.pattern}", re.IGNORECASE | re.MULTILINE)
UTF8_MARK, UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class SqlFileError(UserError):
    """A file in `sql/` breaks a rule; the text names the file, the line and the rule."""


@dataclass(frozen=True)
class StepFolder:
    """A folder of migrations, the table that records them, and the role that they run as."""

    folder: str
    history: str
    role: str | None = None


PLATFORM = StepFolder("sql/platform", f"{HISTORY_SCHEMA}.platform_migrations")
# Where the platform Supabase has made what `PLATFORM` makes.
SUPABASE = StepFolder("sql/supabase", PLATFORM.history)
# What an app that lived on the platform Supabase refers to, where there is no such platform.
STANDIN = StepFolder("sql/standin", f"{HISTORY_SCHEMA}.standin_migrations")
MIGRATIONS = StepFolder("sql/migrations", HISTORY_TABLE, OWNER)
# In the order in which they are applied. The program declares them, `./vpb migrate` runs the same ones.
STEP_FOLDERS = (PLATFORM, MIGRATIONS)


def platform_folder(platform: Platform) -> StepFolder:
    """The migrations that come before the app's own, where a platform has made some of what they make."""
    return SUPABASE if platform.name else PLATFORM


POLICY_FOLDER = "sql/policies"


@dataclass(frozen=True)
class Step:
    """One numbered step: both scripts, and what tells one version of it from another."""

    name: str
    up: str
    down: str

    @property
    def version(self) -> str:
        return self.name.split("_", 1)[0]

    @cached_property
    def checksum(self) -> str:
        """Of the up script and of the down script, 128 bits of SHA-256 each, with a dot between."""
        return f"{digest(self.up)}.{digest(self.down)}"


@dataclass(frozen=True)
class RowPolicy:
    """One `create policy` statement in its parts."""

    name: str
    table: str
    kind: str
    command: str
    roles: tuple[str, ...]
    using: str | None
    check: str | None
    comment: str
    location: str


def location(path: Path, line: int | None = None) -> str:
    """A file, and perhaps a line, as messages name it: from the checkout's `sql/` on."""
    shown = str(Path(*path.parts[_sql(path) :]))
    shown = printable(shown)
    return f"{shown}:{line}" if line else shown


def _sql(path: Path) -> int:
    """Where the last folder `sql` stands among the parts; the whole path where there is none."""
    return max((number for number, part in enumerate(path.parts[:-1]) if part == "sql"), default=0)


def read_text(path: Path) -> str:
    """The text of a file, whatever its line ends are.

    :raises SqlFileError: for anything but UTF-8 without a byte order mark and without a NUL byte
    """
    try:
        # Reading a pipe or a device has no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SqlFileError(f"{location(path)}: is no file; only files are read here, take it away")
        content = path.read_bytes()
    except OSError as error:
        raise SqlFileError(f"{location(path)}: can't be read: {error.strerror}") from None
    if content.startswith(UTF8_MARK):
        raise SqlFileError(f"{location(path, 1)}: begins with a byte order mark; save it as UTF-8 without one")
    if content.startswith(UTF16_MARKS):
        raise SqlFileError(f"{location(path, 1)}: is in UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise SqlFileError(
            f"{_location_of(path, content, content.index(0))}: has a NUL byte; save it as UTF-8, without one"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        where = _location_of(path, content, error.start)
        raise SqlFileError(f"{where}: byte 0x{content[error.start]:02x} isn't UTF-8; save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _location_of(path: Path, content: bytes, position: int) -> str:
    return location(path, content.count(b"\n", 0, position) + 1)


def read_statements(path: Path) -> str:
    """The text of a file that is closed on its own, so that it can be sent together with others.

    :raises SqlFileError: for what `read_text` refuses, for an open quote or comment, for what only psql can run
    """
    text = read_text(path)
    _refuse_open(path, text)
    return text


def _refuse_open(path: Path, text: str) -> None:
    # `copy` first, since the rows below it are no SQL.
    if found := sqldirectives.copy_of_psql(text) or sqltext.fault(text):
        raise SqlFileError(f"{location(path, found.line)}: {found.what}")


def sql_files(folder: Path) -> list[Path]:
    """The SQL files of a folder, without those that an editor or an operating system hides there.

    :raises SqlFileError: for a folder that isn't there, since an empty one would mean that all of it is to go, and for
        a file whose name ends in other letters, such as `.SQL`
    """
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise SqlFileError(f"{location(folder)}: there is no such folder; put it back, or name another one") from None
    except NotADirectoryError:
        raise SqlFileError(f"{location(folder)}: is no folder; name the folder that has the files") from None
    except OSError as error:
        raise SqlFileError(f"{location(folder)}: can't be read: {error.strerror}") from None
    for path in found:
        if path.suffix != ".sql" and path.suffix.lower() == ".sql":
            raise SqlFileError(f"{location(path)}: the name must end in .sql, in lower case")
    return [path for path in found if path.suffix == ".sql"]


def steps(folder: Path) -> list[Step]:
    """The numbered migrations of a folder, in order.

    :raises SqlFileError: for a bad name, a gap, a duplicate, a missing script, a bad header, transaction control,
        a directive that can't be followed
    """
    pairs: dict[str, dict[str, Path]] = {}
    for path in sql_files(folder):
        match = STEP_FILE.fullmatch(path.name)
        if not match:
            raise SqlFileError(f"{location(path)}: the name must be NNNN_words.up.sql or NNNN_words.down.sql")
        pairs.setdefault(f"{match['number']}_{match['words']}", {})[match["direction"]] = path
    found: list[Step] = []
    for expected, (name, pair) in enumerate(sorted(pairs.items()), start=1):
        _refuse_bad_number(folder, name, expected, found[-1].name if found else None)
        found.append(_step(folder, name, pair))
    return found


def _refuse_bad_number(folder: Path, name: str, expected: int, previous: str | None) -> None:
    number = name.split("_", 1)[0]
    if previous and previous.startswith(f"{number}_"):
        raise SqlFileError(
            f"{location(folder)}: {previous} and {name} have the same number; "
            "`./vpb new number NAME` gives the one that isn't on main the next"
        )
    if int(number) != expected:
        raise SqlFileError(f"{location(folder)}: migration {expected:04} is missing before {name}")


def _step(folder: Path, name: str, pair: dict[str, Path]) -> Step:
    for direction in ("up", "down"):
        if direction not in pair:
            raise SqlFileError(
                f"{location(folder / f'{name}.{direction}.sql')} is missing; each migration needs both scripts"
            )
    texts = {direction: read_text(pair[direction]) for direction in ("up", "down")}
    for direction, text in texts.items():
        _refuse_bad_script(pair[direction], direction, text)
    return Step(name, **texts)


# A run reads its migrations more than once, to see that no file has changed meanwhile.
@lru_cache(maxsize=10_000)
def _refuse_bad_script(path: Path, direction: str, text: str) -> None:
    _refuse_open(path, text)
    _refuse_bad_header(path, text)
    _refuse_transaction_control(path, text)
    try:
        sqldirectives.refuse_unfit(text)
        if direction == "down":
            sqldirectives.refuse_untold_loss(text)
    except sqldirectives.DirectiveError as error:
        raise SqlFileError(f"{location(path, error.line)}: {error}") from None


def _refuse_bad_header(path: Path, text: str) -> None:
    lines = text.split("\n")
    wanted = ("-- NNNN subject: why.", "-- Lock: … Duration: ….", "-- Down: what it loses.")
    for number, (pattern, form) in enumerate(zip(HEADER, wanted, strict=True), start=1):
        if len(lines) < number or not pattern.match(lines[number - 1]):
            raise SqlFileError(
                f"{location(path, number)}: the header's line {number} must read "
                f"`{form.replace('NNNN', path.name[:4])}`"
            )
    if lines[0][3:7] != path.name[:4]:
        raise SqlFileError(f"{location(path, 1)}: the header says migration {lines[0][3:7]}")


def _refuse_transaction_control(path: Path, text: str) -> None:
    # Most files don't have such a word at any beginning, and needn't be taken apart; fewer still need the parser.
    if not MAYBE_TRANSACTION.search(text) or not _controls(sqltext.quick_statements(text)):
        return
    if found := _controls(statements(text)):
        raise SqlFileError(f"{location(path, found.line)}: a migration is one transaction already, leave this out")


def _controls(found: Iterable[Statement]) -> Statement | None:
    return next((each for each in found if TRANSACTION_WORDS.match(each.text)), None)


# Bytes, as PostgreSQL is built.
LONGEST_NAME = 63
PLAIN_NAME, ANY_NAME = r"[a-z_][a-z0-9_]*", r'(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")'
POLICY_PATTERN = (
    r"create\s+policy\s+(?P<name>@)\s+on\s+(?P<table>@\.@)"
    r"(?:\s+as\s+(?P<kind>permissive|restrictive))?"
    r"\s+for\s+(?P<command>select|insert|update|delete|all)"
    r"\s+to\s+(?P<roles>@(?:\s*,\s*@)*)\s*(?P<rest>(?:using|with\s+check)\b.*)"
)
POLICY = re.compile(POLICY_PATTERN.replace("@", PLAIN_NAME), re.DOTALL)
# As live databases have them: of any name, and without an expression.
ADOPTED_POLICY = re.compile(POLICY_PATTERN.replace("@", ANY_NAME) + "?", re.DOTALL)
NAME = re.compile(ANY_NAME)
ADOPTED_LINE = "-- Adopted: "
"""Begins a file of row policies that were found in a live database: they keep their names, and need no comment."""
# Its servers may do the same to every row by every command; what anybody else may do differs from command to command.
SERVERS_ROLE = "service_role"
POLICY_FORM = "create policy name on schema.table [as kind] for command to roles [using (…)] [with check (…)];"


def row_policies(folder: Path) -> list[RowPolicy]:
    """The row policies of a folder, one file per table. In an adopted file names are unique for the table alone.

    :raises SqlFileError: for anything but `create policy` in the form of `POLICY_FORM`, or for another table
    """
    found, adopted = [], set()
    for path in sql_files(folder):
        text = read_statements(path)
        if text.startswith(ADOPTED_LINE):
            adopted.add(path.stem)
        for statement in statements(text):
            found.append(_row_policy(path, statement, path.stem in adopted))
    tables: dict[str, list[str]] = {}
    for policy in found:
        tables.setdefault(policy.name, []).append(policy.table)
    for policy in found:
        others = tables[policy.name]
        if others.count(policy.table) > 1 or (len(others) > 1 and not adopted.issuperset(others)):
            unique = "for its table" if policy.table in adopted else "in the database"
            raise SqlFileError(f"{policy.location}: the name {policy.name} is taken; it must be unique {unique}")
    return found


def _row_policy(path: Path, statement: Statement, adopted: bool) -> RowPolicy:
    where = location(path, statement.line)
    match = (ADOPTED_POLICY if adopted else POLICY).fullmatch(statement.text)
    if not match:
        raise SqlFileError(f"{where}: only this form is read here: {POLICY_FORM}")
    name = _name(match["name"])
    table = ".".join(_name(part) for part in NAME.findall(match["table"]))
    if len(name.encode()) > LONGEST_NAME:
        raise SqlFileError(
            f"{where}: {name} has {len(name.encode())} bytes; PostgreSQL cuts names after {LONGEST_NAME}"
        )
    if table != path.stem:
        raise SqlFileError(f"{where}: {name} is on {table}, but this file is for {path.stem}")
    # A restrictive one opens nothing.
    opens = match["roles"] != SERVERS_ROLE and match["kind"] != "restrictive"
    if match["command"] == "all" and opens and not adopted:
        raise SqlFileError(f"{where}: {name} is for all commands; for any role but {SERVERS_ROLE}, one for each")
    if not statement.comment and not adopted:
        raise SqlFileError(f"{where}: {name} needs a comment line right above it; it becomes its comment")
    clauses = _clauses(match["rest"] or "", where)
    return RowPolicy(
        name=name,
        table=table,
        kind=match["kind"] or "permissive",
        command=match["command"],
        roles=tuple(sorted(_name(role) for role in NAME.findall(match["roles"]))),
        using=clauses.get("using"),
        check=clauses.get("check"),
        comment=statement.comment,
        location=where,
    )


def _name(text: str) -> str:
    """A name as the catalogue has it."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _clauses(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    while text:
        match = re.match(r"(using|with\s+check)\s*\(", text)
        end = closing(text, match.end()) if match else None
        if not match or end is None:
            raise SqlFileError(f"{where}: only this form is read here: {POLICY_FORM}")
        clause = "using" if match[1] == "using" else "check"
        if clause in found or "check" in found:
            raise SqlFileError(f"{where}: only this form is read here: {POLICY_FORM}")
        found[clause] = text[match.end() : end].strip()
        text = text[end + 1 :].strip()
    return found


@dataclass(frozen=True)
class SqlFiles:
    """All that the program declares of `sql/`, read once, before anything is registered."""

    steps: Mapping[str, tuple[Step, ...]]
    """By folder."""
    policies: tuple[RowPolicy, ...]

    def checksums(self, folder: str) -> dict[str, str]:
        """The migrations of a folder, name to checksum."""
        return {step.name: step.checksum for step in self.steps[folder]}


def read(root: Path = CHECKOUT) -> SqlFiles:
    """What lies in `sql/` of the checkout `root`.

    :raises SqlFileError: for the first rule that is broken
    """
    found = {folder.folder: tuple(steps(root / folder.folder)) for folder in (*STEP_FOLDERS, SUPABASE)}
    return SqlFiles(found, tuple(row_policies(root / POLICY_FOLDER)))
