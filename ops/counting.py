"""Numbers of things in a sentence."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 check`, `2 checks`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
