"""The thresholds of a server's measures follow from its size, as AWS publishes sizes and limits."""

import pytest

from declared.servermeasures import GIB, Measure, measures, memory, most_sessions
from declared.serversettings import ServerSettings


def of(**given: str) -> dict[str, Measure]:
    found = measures(ServerSettings.load({name.rstrip("_"): value for name, value in given.items()}))
    assert len({each.name for each in found}) == len(found), "a name is an alarm"
    return {each.name: each for each in found}


@pytest.mark.parametrize(
    ("size", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t4g.medium", 4),
        ("db.t4g.large", 8),
        ("db.m7g.large", 8),
        ("db.m7g.4xlarge", 64),
        ("db.r7g.large", 16),
        ("db.r7g.2xlarge", 64),
        ("db.x2g.xlarge", 64),
        ("db.z1d.large", None),
    ],
)
def test_the_memory_of_a_class_is_that_of_aws_table_or_isn_t_known(size, gib):
    assert memory(ServerSettings.load({"class": size})) == gib


def test_the_most_sessions_are_fewer_than_the_server_takes():
    """RDS' manual: least of memory/9531392 and 5,000, of the memory that is left; Aurora's table of max_connections."""
    assert most_sessions(ServerSettings.load({"class": "db.m7g.large"})) == 811
    assert most_sessions(ServerSettings.load({"class": "db.r7g.8xlarge"})) == 5_000
    serverless = {"engine": "aurora", "maxCapacity": "32"}
    assert most_sessions(ServerSettings.load(serverless)) == 5_000
    assert most_sessions(ServerSettings.load({**serverless, "minCapacity": "0.5"})) == 2_000


def test_a_server_with_a_disk_is_watched_for_what_fills_it_and_a_cluster_isn_t():
    disk = {"storage", "slot-lag", "wal"}
    server, cluster = of(storage="200", maxStorage="400"), of(engine="aurora")
    assert disk <= server.keys()
    assert not disk & cluster.keys()
    assert (server["storage"].warning, server["storage"].critical) == (20 * GIB, 10 * GIB)
    assert {each.role for each in server.values()} == {""}


def test_of_readers_the_worst_counts_and_their_lag_and_without_any_there_is_none():
    found = of(engine="aurora", readers="2")
    readers = {name: each for name, each in found.items() if each.role == "READER"}
    assert readers.keys() == {
        *("readers-cpu", "readers-memory", "readers-read-latency", "readers-sessions"),
        *("readers-capacity", "readers-lag"),
    }
    assert {each.statistic for each in readers.values()} == {"Maximum", "Minimum"}
    assert readers["readers-memory"].statistic == "Minimum"
    assert not any(name.startswith("readers-") for name in of(engine="aurora", multiAz="false"))


@pytest.mark.parametrize("given", [{}, {"engine": "aurora", "readers": "1"}, {"class_": "db.z1d.large"}])
def test_critical_is_worse_than_warning(given):
    for each in of(**given).values():
        if each.warning is not None and each.critical is not None:
            assert (each.critical < each.warning) is each.below, each.name
