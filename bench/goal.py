"""How a benchmark says whether a figure meets its goal."""


def against(value: float, goal: float) -> str:
    """`goal 1.25: met`, or `missed`; goals are upper bounds."""
    return f"goal {goal}: {'met' if value <= goal else 'missed'}"
