"""Names of segments, whether they follow each other across timelines, and what a segment says of itself."""

import struct
from types import SimpleNamespace

import pytest

from ops.backups.basemanifest import Range
from ops.backups.errors import BadBackup
from ops.physical import looking, segments

SIZE = 16 << 20
HISTORY = "1\t0/5000100\tno recovery target specified\n\n2\t0/8000000\tbefore 2026-11-28\n"


def names(*numbers: int, timeline: int = 1) -> list[str]:
    return [segments.name(timeline, number, SIZE) for number in numbers]


@pytest.mark.parametrize(
    ("text", "timeline", "number", "size"),
    [
        ("000000010000000000000001", 1, 1, SIZE),
        ("0000000A0000000200000003", 10, 2 * 256 + 3, SIZE),
        ("00000001000000020000003F", 1, 2 * 64 + 63, 64 << 20),
    ],
)
def test_a_name_is_the_number_of_its_segment(text: str, timeline: int, number: int, size: int):
    assert segments.numbered(text, size) == (timeline, number)
    assert segments.name(timeline, number, size) == text


def test_what_follows_without_a_gap_is_a_chain_and_the_first_that_is_missing_is_named():
    whole = segments.chain(names(1, 2, 3, 4), 2, [(1, 0)], SIZE)
    assert (whole.names, whole.missing) == (names(2, 3, 4), "")
    gap = segments.chain(names(2, 3, 5, 7), 2, [(1, 0)], SIZE)
    assert (gap.names, [gap.missing], [gap.newest]) == (names(2, 3), names(4), names(7))
    assert segments.chain(names(3), 2, [(1, 0)], SIZE).missing == names(2)[0]
    assert segments.chain(names(1), 2, [(1, 0)], SIZE) == segments.Chain([], "", "", 1)


def test_a_chain_goes_over_to_the_timeline_that_the_server_went_over_to():
    path = segments.path(1, {2: HISTORY.split("\n\n")[0], 3: HISTORY}, SIZE)
    assert path == [(1, 0), (2, 5), (3, 8)]
    assert segments.path(2, {3: HISTORY}, SIZE) == [(2, 0), (3, 8)]
    assert segments.path(4, {3: HISTORY}, SIZE) == [(4, 0)], "of another branch"
    histories = {2: HISTORY.split("\n\n")[0], 3: HISTORY}
    assert segments.path(1, histories, SIZE, last=5) == path
    assert segments.path(1, histories, SIZE, last=6) == [(1, 0)], "of a server that was restored to before this backup"
    assert segments.path(1, histories, SIZE, wanted=2) == [(1, 0), (2, 5)]
    assert segments.path(1, histories, SIZE, wanted=1) == [(1, 0)]
    there = [*names(4, 5, 6), *names(5, 6, 7, timeline=2), *names(8, timeline=3)]
    whole = segments.chain(there, 4, path, SIZE)
    assert whole.names == [*names(4), *names(5, 6, 7, timeline=2), *names(8, timeline=3)]
    # What the old timeline had after the switch is no part of it.
    cut = segments.chain([each for each in there if each != names(6, timeline=2)[0]], 4, path, SIZE)
    assert cut.missing == names(6, timeline=2)[0]


def test_where_two_timelines_go_on_none_is_taken_for_the_right_one():
    path = [(1, 0), (2, 5)]
    segments.refuse_two_ends([*names(4, 5), *names(5, 6, timeline=2)], path, SIZE)
    with pytest.raises(BadBackup, match=f"timeline 1 up to {names(7)[0]}, and in timeline 2, .*--timeline 1` or"):
        segments.refuse_two_ends([*names(4, 5, 6, 7), *names(5, 6, timeline=2)], path, SIZE)


def test_a_segment_of_another_server_of_another_place_or_cut_off_is_refused():
    def made(system: int = 7, number: int = 3, length: int = SIZE) -> bytes:
        return struct.pack("=HHIQI4xQII", 0xD116, 2, 1, number * SIZE, 0, system, SIZE, 8192).ljust(length, b"\0")

    (name,) = names(3)
    segments.checked(name, made(), "7", SIZE)
    for wrong, data in {
        "another server, system identifier 8 and not 7": made(system=8),
        "belongs into another segment": made(number=4),
        "no whole segment": made(length=SIZE - 1),
        f"no whole segment of {SIZE}": b"\0" * SIZE,
    }.items():
        with pytest.raises(BadBackup, match=f"{name}: .*{wrong}"):
            segments.checked(name, data, "7", SIZE)


def test_what_is_lost_between_two_physical_backups_is_named():
    first, second = (Range("7", 1, start * SIZE, end * SIZE, SIZE) for start, end in ((3, 4), (8, 9)))
    found = SimpleNamespace(label="WAL 7", names=[segments.name(1, number, SIZE) for number in (3, 4, 5)])
    (line,) = looking._between(found, [second, first], SIZE)
    assert line.startswith(
        "WAL 7: 000000010000000000000006 to 000000010000000000000007, 2 segments, of before the next"
    )
    found.names += [segments.name(1, number, SIZE) for number in (6, 7)]
    assert list(looking._between(found, [second, first], SIZE)) == []
