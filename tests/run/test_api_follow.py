"""What follows an `up`: the API, where the setting asks for it and the target serves one; else it is withdrawn."""

from pathlib import Path
from typing import Any

import pytest

from run import api
from targets import ApiStart, target

OUTPUTS = {
    "api_url": "postgresql://authenticator:pw1@127.0.0.1:1/app",
    "storage_url": "postgresql://supabase_storage_admin:pw2@127.0.0.1:1/app",
    "object_bucket": "vpb-dev-objects",
    "max_object_size": 1000,
}


class Recorded:
    """A target that notes what it is asked for."""

    provisioning = {"sslmode": "disable"}

    def __init__(self, serves: bool) -> None:
        self.can = target.Can(guardduty=False, test_signatures=True, make_server=False, serve_api=serves)
        self.asked: list[Any] = []

    def serve(self, stack: str, wanted: ApiStart, progress: object) -> None:
        self.asked.append(wanted)

    def withdraw_api(self, stack: str) -> None:
        self.asked.append("withdraw")


def follow(where: Recorded, wanted: bool, own: dict[str, str] | None) -> list[Any]:
    read = list[str]()

    def outputs() -> dict[str, Any]:
        read.append("outputs")
        return OUTPUTS

    api.follow(where, "dev", wanted, outputs, "eu-central-1", own, print)
    return [*read, *where.asked]


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "program", lambda: Path("/there/postgrest"))


@pytest.mark.parametrize(("serves", "wanted"), [(True, False), (False, True), (False, False)])
def test_without_the_setting_or_where_none_is_served_nothing_is_read_and_none_runs(serves: bool, wanted: bool):
    assert follow(Recorded(serves), wanted, None) == ["withdraw"]


def test_its_logins_are_those_of_the_outputs_where_the_server_is_now():
    read, start = follow(Recorded(True), True, {"host": "127.0.0.2", "port": "7", "user": "postgres", "dbname": "x"})
    assert read == "outputs"
    here = {"host": "127.0.0.2", "port": "7", "dbname": "app", "sslmode": "disable"}
    assert start.rest == {**here, "user": "authenticator", "password": "pw1"}
    assert start.storage == {**here, "user": "supabase_storage_admin", "password": "pw2"}
    assert (start.bucket, start.region, start.largest) == ("vpb-dev-objects", "eu-central-1", 1000)


def test_a_server_of_the_users_own_stays_where_its_url_says():
    _, start = follow(Recorded(True), True, None)
    assert (start.rest["host"], start.rest["port"]) == ("127.0.0.1", "1")
    assert "sslmode" not in start.rest
