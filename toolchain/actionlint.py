"""actionlint, the linter of GitHub's workflows, from its Go module; nothing but a test needs it."""

from pathlib import Path

from toolchain import build, versions
from toolchain.cache import Making
from toolchain.context import Context, key
from toolchain.errors import BuildFailed, ToolchainError, one_line_errors

SUBJECT = "actionlint"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def name() -> str:
    """The cache's folder for it: another for another version."""
    return f"{SUBJECT}-{key((versions.ACTIONLINT_MODULE / 'go.mod').read_text(encoding='utf-8'))}"


def ensure(context: Context) -> Path:
    """The program, built if it isn't there.

    Raises:
        ToolchainError: it can't be had; one line for the user.
    """
    cache = context.cache
    with one_line_errors(cache.root):
        if not cache.complete(name()):
            context.must_make(SUBJECT)
            with cache.making(name(), context.progress) as making:
                if making:
                    _build(context, making)
        return cache.root / name() / "bin" / SUBJECT


def _build(context: Context, making: Making) -> None:
    try:
        go, environ = build.go_for(context, making, SUBJECT)
        source, what = versions.ACTIONLINT_MODULE, "actionlint from its Go module"
        build.compile_program(context, making, go, environ, source, what, PACKAGE, "-s -w", SUBJECT)
    except BuildFailed as error:
        raise ToolchainError(f"{SUBJECT}: build failed: {error}; log: {making.log}") from None
