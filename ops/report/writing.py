"""Where a report is written."""

from pathlib import Path

from declared.folders import make_private, stack_folder
from ops.errors import CommandError
from ops.report.model import StatusReport
from run import engine

PAGE = "report.html"


def place(stack: str, given: Path | None) -> Path:
    """The page's file, known before anything takes long.

    :raises CommandError: where it can't be written, or isn't the name of a page
    """
    engine.require(stack)
    if given is None:
        folder = stack_folder(stack)
        make_private(folder)
        return folder / PAGE
    if given.suffix == ".json":
        raise CommandError(f"--output {given}: names the page, such as report.html; the JSON goes beside it")
    if given.is_dir():
        raise CommandError(f"--output {given}: is a folder; it names the page, such as {given / PAGE}")
    if not given.absolute().parent.is_dir():
        raise CommandError(f"--output {given}: there is no folder {given.parent}")
    return given


def write(report: StatusReport, path: Path) -> list[Path]:
    """The page, and beside it the JSON of the same name.

    :raises CommandError: where they can't be written
    """
    # Loading what draws takes a second, which no other command has to wait for.
    from ops.report import page

    texts = {path: page.of(report), path.with_suffix(".json"): report.as_json() + "\n"}
    try:
        for each, text in texts.items():
            each.write_text(text)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    return list(texts)
