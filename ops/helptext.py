"""The texts of `--help`."""


def joined(text: str) -> str:
    """A docstring with each paragraph on a line of its own, which the terminal wraps where it ends."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
