"""Charts as SVG that stands in the page itself: drawn by altair, in colours that the page sets for light and dark."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import altair
import vl_convert

# In the style each of these is a variable.
SERIES, BAND, LIMIT, GRID, INK = "#1f5fa8", "#9dbfe6", "#b3261e", "#d8dde3", "#4a5560"
WIDTH, HEIGHT, BAR = 300, 150, 22
FONT = "sans-serif"
# What the drawing library says of its parts to a screen reader: the figure has a caption and a table in its place.
SPOKEN = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
UNSEEN = re.compile(r'<text [^>]*opacity="0"[^>]*>[^<]*</text>')
SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("bytes", 1))
UNITS = {"share": ("%", 0.01), "dollars": ("$", 1.0), "seconds": ("s", 1.0), "days": ("days", 1.0)}


def growth(found: Mapping[str, Any]) -> str:
    """What was measured by day, what is expected with its interval, and the limit where it is near."""
    forecast = found["forecast"]
    days, ahead = forecast["days"], _near(forecast)
    near, limit = is_near(found), found["limit"]
    highest = _highest(days, ahead)
    unit, factor = scale(max(highest, limit if near else 0), found["unit"])
    x = altair.X("day:T", title=None, scale=altair.Scale(type="utc"), axis=altair.Axis(format="%-d %b", tickCount=4))
    layers: list[Any] = []
    if ahead:
        rows = [
            {"day": each["day"], **{name: each[name] / factor for name in ("low", "value", "high")}} for each in ahead
        ]
        rows = [{**row, "low": max(row["low"], 0.0)} for row in rows]
        expected = altair.Chart(altair.InlineData(values=rows)).encode(x=x)
        layers.append(expected.mark_area(color=BAND, opacity=0.45).encode(y=_y("low", unit), y2="high:Q"))
        layers.append(expected.mark_line(color=SERIES, strokeDash=[5, 4]).encode(y=_y("value", unit)))
    values = [{"day": each["day"], "value": each["value"] / factor} for each in days]
    measured = altair.Chart(altair.InlineData(values=values)).encode(x=x, y=_y("value", unit))
    layers.append(measured.mark_line(color=SERIES, strokeWidth=2, point={"color": SERIES, "size": 12}))
    if near:
        line = altair.Chart(altair.InlineData(values=[{"limit": limit / factor}]))
        layers.append(line.mark_rule(color=LIMIT, strokeWidth=2, strokeDash=[2, 2]).encode(y=_y("limit", unit)))
    return _svg(altair.layer(*layers).properties(width=WIDTH - 50, height=HEIGHT))


def is_near(found: Mapping[str, Any]) -> bool:
    """Whether the limit is in the picture: one that is far away would press the rest into a line."""
    forecast, limit = found["forecast"], found["limit"]
    return bool(forecast["days"]) and limit is not None and limit <= 3 * _highest(forecast["days"], _near(forecast))


def _highest(days: Sequence[Mapping[str, Any]], ahead: Sequence[Mapping[str, Any]]) -> float:
    return max([float(each["value"]) for each in days] + [float(each["high"]) for each in ahead])


def _near(forecast: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of what is expected as much as was seen, or up to the limit: further on the lines leave no room for it."""
    days, ahead = forecast["days"], forecast["ahead"]
    if len(days) < 2 or not ahead:
        return []
    span = date.fromisoformat(days[-1]["day"]) - date.fromisoformat(days[0]["day"])
    until = max(forecast["met"] or "", (date.fromisoformat(days[-1]["day"]) + span).isoformat())
    return [each for each in ahead if each["day"] <= until] or ahead[:1]


def bars(rows: Sequence[tuple[str, float]], unit: str) -> str:
    """One bar for each name, in their order."""
    title, factor = scale(max((value for _, value in rows), default=0), unit)
    # Two names that are cut to the same text stay two bars.
    data = [
        {"place": str(number), "label": _cut(name), "value": value / factor}
        for number, (name, value) in enumerate(rows)
    ]
    base = altair.Chart(altair.InlineData(values=data)).encode(
        y=altair.Y("place:N", sort=None, title=None, axis=None),
        x=altair.X("value:Q", title=title, axis=altair.Axis(tickCount=4, grid=False)),
    )
    bar = base.mark_bar(color=SERIES, height=9, yOffset=6)
    text = base.mark_text(align="left", baseline="bottom", dy=1, fontSize=11, color=INK).encode(
        text="label:N", x=altair.value(0)
    )
    return _svg(altair.layer(bar, text).properties(width=WIDTH - 10, height=max(len(rows), 1) * (BAR + 8)))


def scale(highest: float, unit: str) -> tuple[str, float]:
    """The unit of an axis, and what a value is divided by for it."""
    if unit == "bytes":
        return next((name, float(size)) for name, size in SIZES if highest >= size or size == 1)
    return UNITS.get(unit, (unit, 1.0))


def _y(name: str, unit: str) -> altair.Y:
    return altair.Y(f"{name}:Q", title=unit, axis=_axis())


def _axis() -> altair.Axis:
    return altair.Axis(tickCount=4)


def _cut(text: str, most: int = 44) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _svg(chart: Any) -> str:
    """The picture, hidden from screen readers, as wide as its place."""
    drawn = (
        chart.configure(font=FONT, background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=GRID,
            domainColor=GRID,
            tickColor=GRID,
            labelColor=INK,
            titleColor=INK,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
        )
    )
    svg = UNSEEN.sub("", SPOKEN.sub("", vl_convert.vegalite_to_svg(drawn.to_dict())))
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
