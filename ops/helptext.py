"""The texts of `--help`, in plain lines: to load what draws frames takes longer than all the rest of `--help`."""

from typing import Any

from typer.core import TyperGroup


class Commands(TyperGroup):
    """A group whose help has of each command the whole first paragraph, where Typer's own cuts it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, (command.help or "").partition("\n\n")[0]) for name, command in self.commands.items()]
            )


def joined(text: str) -> str:
    """A docstring with each paragraph on a line of its own, which the terminal wraps where it ends."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
