"""The end of a log, and what is written to it meanwhile."""

import pytest

from ops.everyday import logs


@pytest.mark.parametrize("block", [3, 65536])
@pytest.mark.parametrize(("lines", "text"), [(0, ""), (1, "three"), (2, "two ü\nthree"), (9, "one\ntwo ü\nthree")])
def test_the_last_lines_also_where_the_last_one_is_not_whole(tmp_path, monkeypatch, block, lines, text):
    monkeypatch.setattr(logs, "BLOCK", block)
    path = tmp_path / "server.log"
    path.write_text("one\ntwo ü\nthree", encoding="utf-8")
    assert logs.last(path, lines) == (text, path.stat().st_size)
    path.write_text("one\ntwo ü\nthree\n", encoding="utf-8")
    assert logs.last(path, lines) == (f"{text}\n" if text else "", path.stat().st_size)


def test_a_look_that_ends_within_a_character_shows_it_with_the_next(tmp_path):
    path = tmp_path / "server.log"
    whole = "größe\n".encode()
    path.write_bytes(whole[:3])
    found = logs.follow(path, 0, wait=lambda seconds: path.write_bytes(whole))
    assert [next(found), next(found)] == ["gr", "öße\n"]


def test_half_a_character_of_a_file_that_was_made_again_is_not_shown_with_the_new_one(tmp_path):
    path = tmp_path / "server.log"
    path.write_bytes("größe".encode()[:3])
    found = logs.follow(path, 0, wait=lambda seconds: path.write_bytes(b"n\n"))
    assert [next(found), next(found)] == ["gr", "n\n"]


def test_what_comes_is_shown_also_after_the_file_was_made_anew(tmp_path):
    path = tmp_path / "server.log"
    path.write_text("old\n")
    events = iter([lambda: path.write_text("old\nnew\n"), path.unlink, lambda: path.write_text("1\n")])
    found = logs.follow(path, 4, wait=lambda seconds: next(events)())
    assert [next(found), next(found)] == ["new\n", "1\n"]
