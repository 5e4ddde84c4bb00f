"""Templates of masked rows, and the stacks that are cloned from one."""

from declared import connectionurl, naming
from declared.naming import NAMESPACE
from declared.roles import ROLES
from harness import branches
from harness.branches import Branch
from ops import outputs, rotation
from ops.branches import copying, structure
from ops.branches.copying import Copied, Progress
from ops.branches.errors import BranchError
from ops.branches.masks import WHERE
from ops.database import Connection, connect
from run import engine

# A login that reads all rows and writes none, where the stack has one.
READER = "backup_url"
LOGINS = sorted(name for name, spec in ROLES.items() if spec.login)
LOCAL = "local"
# Of objects that somebody has made; extensions of the server's own are none.
TAKEN = """
select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p')
    and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
        and d.deptype = 'e')
order by 1 limit 1"""


def template(source: str, progress: Progress) -> Copied:
    """Make the template of a stack, in the place of the one that is there.

    :raises BranchError: where the stack isn't the app's, or can't be copied; then the one that is there stays
    """
    url = _reader(source)
    with copying.opened(url) as (session, taken_at), branches.making(source) as made:
        steps = structure.applied(session)
        progress("structure")
        structure.build(made.url, steps)
        copied = copying.copy(session, taken_at, made.url, progress)
        progress("stopping the template's server")
        made.finish(taken_at, copied.total, len(steps))
        return copied


def remove_template(source: str) -> None:
    """Remove the template of a stack.

    :raises NoTemplateError: where there is none
    :raises BranchError: while it is cloned
    """
    if not branches.remove_template(branches.template(source).folder):
        raise BranchError(f"template of {source}: is being cloned at this moment; wait for it to end")


def copy(stack: str, source: str, progress: Progress) -> Copied:
    """The same into the empty database that `database:url` of a stack names, which holds it from then on.

    :raises BranchError: where the stack names none, or it isn't empty
    """
    url, target = _named_by_setting(stack)
    with connect(url, copying.APPLICATION) as session:
        if taken := session.execute(TAKEN).fetchone():
            raise BranchError(
                f"stack {stack}: its database has table {taken[0]} already; name one that is empty, nothing was changed"
            )
        copying.refuse_bound(session)
        _refuse_ours(stack, session)
    with copying.opened(_reader(source)) as (session, taken_at):
        steps = structure.applied(session)
        progress("structure")
        structure.build(url, steps, stack, target)
        return copying.copy(session, taken_at, url, progress)


def _refuse_ours(stack: str, session: Connection) -> None:
    """
    :raises BranchError: where another environment has its logins on that server, whose passwords would become others
    """
    found = session.execute("select rolname from pg_roles where rolname = any(%s) order by 1 limit 1", (LOGINS,))
    if there := found.fetchone():
        raise BranchError(
            f"stack {stack}: its server has login {there[0]} already, so another environment lives there, and roles "
            "are the server's; name a server of its own, nothing was changed"
        )


def new(stack: str, source: str, replace: bool = False) -> Branch:
    """A stack whose database is a clone of a template; `up` does the rest.

    Args:
        replace: whether a clone of this name that is there goes first.

    :raises BranchError: where there is a stack of this name, or it lives elsewhere
    """
    naming.stack(stack)
    target = engine.target(stack)
    if not (target.can.start_server and engine.embedded(stack)):
        raise BranchError(
            f"stack {stack}: its file names a server, and clones are servers of this machine; "
            f"`./vpb branch copy {stack} --from {source}` copies the rows there"
        )
    of = branches.template(source)
    if branches.branch(stack) and replace:
        drop(stack)
    elif engine.exists(stack) or target.started(stack) or branches.branch(stack):
        more = "; --replace puts another one in its place" if branches.branch(stack) else ""
        raise BranchError(f"stack {stack}: is there already{more}; nothing was changed")
    return branches.clone(of, stack, structure.hand_over(stack), lambda: target.remove(stack))


def drop(stack: str) -> None:
    """Take a cloned stack away, with its services, its files and its state; its template stays.

    :raises BranchError: for a stack that wasn't cloned
    :raises UnderWay: while a run works on it
    """
    naming.stack(stack)
    if branches.branch(stack) is None:
        raise BranchError(
            f"stack {stack}: is no clone of a template, so nothing was removed; "
            f"`./vpb down --stack {stack}` takes a stack away"
        )
    if branches.being_made(stack):
        raise BranchError(f"stack {stack}: is being made at this moment; wait for it to end")
    engine.refuse_protected(stack)
    if not engine.embedded(stack):
        raise BranchError(
            f"stack {stack}: its file names a server by now, so it is no clone of this machine any more; "
            f"`./vpb down --stack {stack}` takes it away"
        )
    target = engine.check_target(LOCAL)
    target.check_removable(stack)
    with engine.alone(stack):
        if engine.exists(stack):
            engine.remove(stack)
        target.remove(stack)
        engine.forget_file(stack)


def _reader(source: str) -> str:
    """The URL of a login that sees all rows of a stack.

    :raises BranchError: for an adopted database, whose tables no rules are written for
    """
    found = outputs.connectable(source)
    if folder := engine.adopted(source):
        raise BranchError(f"stack {source}: is the adopted database of {folder}, which {WHERE} has no rules for")
    if READER in found:
        return connectionurl.compose(outputs.parameters(source, found, READER))
    return connectionurl.compose(rotation.provisioning(source))


def _named_by_setting(stack: str) -> tuple[str, str]:
    target = engine.target(stack)
    if engine.embedded(stack):
        raise BranchError(
            f"stack {stack}: has no database:url, and `./vpb branch new` makes one on this machine; "
            f"`./vpb new stack {stack} --url …` names a server"
        )
    if target.platform.name:
        raise BranchError(
            f"stack {stack}: target {target.name} brings objects of its own, and rows are copied into an empty "
            "database; name a server of your own"
        )
    answer = engine.capture(["config", "get", f"{NAMESPACE}:url", "--stack", stack])
    if answer.returncode:
        raise BranchError(f"stack {stack}: database:url can't be read: {' '.join(answer.stderr.split())}")
    return connectionurl.compose(connectionurl.parse(answer.stdout.strip())), target.name
