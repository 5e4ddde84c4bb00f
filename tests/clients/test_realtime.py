"""A subscriber to the realtime publication: what it hears, and that each change can be filtered by its project."""

from tests.clients.world import Complete, Programs
from tests.sql.provision import ADA, BOB

TESTS = 10


def test_each_change_can_be_filtered_by_its_project_and_no_long_text_goes_out(
    programs: Programs, complete: Complete, people: None
) -> None:
    results = programs.run("realtime.mjs", url=complete.database.url, ada=ADA, bob=BOB)
    assert {name: verdict for name, verdict in results.items() if verdict != "ok"} == {}
    assert len(results) == TESTS
