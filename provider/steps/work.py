"""What a run does for one migration."""

from dataclasses import dataclass

from declared import sqldirectives, sqlfiles


@dataclass(frozen=True)
class Work:
    """One script of one migration that is to run; without text it is only noted."""

    step: str
    direction: str
    text: str
    path: str
    doing: str
    files: sqlfiles.Step | None = None

    @property
    def run_mode(self) -> sqldirectives.RunMode:
        return sqldirectives.run_mode(self.text)
