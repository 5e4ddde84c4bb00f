"""`./vpb backup --without-state`: what stands in for the stack's outputs, and what of it is refused in one line."""

from types import SimpleNamespace

import pyrage
import pytest

from declared.backups import BackupSettings
from ops import __main__ as ops
from ops.backups import checking, drill, given, instants, making, options, places
from ops.backups.declared import Declared
from ops.backups.errors import BadBackup, NotOpened
from ops.environment import Environment
from ops.physical import archiver, server
from ops.status import FOUND
from run import engine
from targets.aws import Aws

URL = "postgresql://backup:geheim@db.example.org:5432/app"
GIVEN = {"BACKUP_DATABASE_URL": URL, "BACKUP_BUCKET": "vpb-prod-backups", "OBJECT_BUCKET": "vpb-prod-files"}
KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@pytest.fixture(autouse=True)
def stack(monkeypatch):
    declared = BackupSettings({"days": 30}, 24, 4, 7, (KEY,))
    monkeypatch.setattr(engine, "declared", lambda stack: stack == "prod")
    monkeypatch.setattr(engine, "backups", lambda stack: declared)
    monkeypatch.setattr(engine, "target", lambda stack: Aws())
    monkeypatch.setattr(engine, "region", lambda stack: "eu-west-1")
    monkeypatch.setattr(Environment, "of", lambda stack: pytest.fail("the state was asked"))
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def test_it_asks_no_state_and_goes_where_the_variables_say(monkeypatch):
    seen = []

    def run(task):
        seen.append(task)
        raise given.BackupError("enough seen")

    monkeypatch.setattr(making.Making, "run", run)
    assert ops.main(["backup", "--stack", "prod", "--without-state"]) == 1
    (task,) = seen
    assert isinstance(task.place, Declared)
    assert (task.url, task.place.bucket, task.store.bucket) == (URL, "vpb-prod-backups", "vpb-prod-files")
    assert task.place.s3.meta.region_name == task.store.region == "eu-west-1"


def test_a_drill_asks_no_state_either_and_notes_its_end_where_the_variables_say(monkeypatch, tmp_path):
    noted = []
    (tmp_path / "key").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    monkeypatch.setattr(
        checking, "named", lambda place, id: SimpleNamespace(place=place, summary=SimpleNamespace(stack="prod"))
    )
    monkeypatch.setattr(drill.Drill, "run", lambda task: (_ for _ in ()).throw(BadBackup("it is damaged")))
    monkeypatch.setattr(instants, "noted", lambda url, *rest: noted.append(url) or "")
    words = ["restore-drill", "--stack", "prod", "--without-state", "--identity", str(tmp_path / "key")]
    assert ops.main(words) == FOUND
    assert noted == [URL]


def test_the_archive_of_wal_needs_no_bucket_of_files(monkeypatch, tmp_path):
    seen = []

    def run(task, once):
        seen.append((task.url, task.place))
        raise given.BackupError("enough seen")

    monkeypatch.setattr(archiver.Archiver, "run", run)
    monkeypatch.setattr(server, "refuse_elsewhere", lambda stack: None)
    for name in ("BACKUP_DATABASE_URL", "OBJECT_BUCKET"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("REPLICATION_DATABASE_URL", URL)
    words = ["wal", "archive", "--stack", "prod", "--without-state", "--spool", str(tmp_path / "spool")]
    assert ops.main(words) == 1
    assert ops.main([*words, "--to", str(tmp_path / "place")]) == 1
    (url, declared), (_, folder) = seen
    assert (url, declared.bucket, folder) == (URL, "vpb-prod-backups", places.Folder(tmp_path / "place"))
    assert declared.s3.meta.region_name == "eu-west-1"


def test_a_wrong_key_is_no_verdict_on_the_backup(monkeypatch, tmp_path, capsys):
    (tmp_path / "key").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    monkeypatch.setattr(
        checking, "named", lambda place, id: SimpleNamespace(place=place, summary=SimpleNamespace(stack="prod"))
    )
    refused = NotOpened("manifest.age: none of the identities opens it")
    monkeypatch.setattr(drill.Drill, "run", lambda task: (_ for _ in ()).throw(refused))
    monkeypatch.setattr(instants, "noted", lambda *_: pytest.fail("it was noted"))
    words = ["restore-drill", "--stack", "prod", "--without-state", "--identity", str(tmp_path / "key")]
    assert ops.main(words) == FOUND
    assert "none of the identities opens it" in capsys.readouterr().err


def test_a_key_that_is_gone_is_not_replaced_while_backups_need_it(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "target", lambda stack: SimpleNamespace(disposable=True))
    monkeypatch.setattr(engine, "backups", lambda stack: None)
    monkeypatch.setattr(options, "folder", lambda stack: tmp_path)
    first = options.own_recipient("dev")
    assert options.own_recipient("dev") == first
    (tmp_path / "20260101T000000Z-00000000").mkdir()
    (tmp_path / options.IDENTITY).rename(tmp_path / "moved")
    with pytest.raises(given.BackupError, match=r"the key is gone, and 1 backups open with it alone; put it back"):
        options.own_recipient("dev")
    assert not (tmp_path / options.IDENTITY).exists()


def test_the_list_needs_no_database(monkeypatch, capsys):
    monkeypatch.delenv("BACKUP_DATABASE_URL")
    monkeypatch.setattr(checking, "summaries", lambda place: ([], []) if place.bucket == "vpb-prod-backups" else None)
    assert ops.main(["backups", "list", "--stack", "prod", "--without-state", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BACKUP_DATABASE_URL", "", "stack prod: with --without-state, variable BACKUP_DATABASE_URL must be the URL"),
        ("BACKUP_DATABASE_URL", "geheim", "BACKUP_DATABASE_URL must be postgresql://user:password@host"),
        ("BACKUP_BUCKET", " ", "variable BACKUP_BUCKET must be the name of a bucket, output backup_bucket"),
        ("OBJECT_BUCKET", "a/../b", "OBJECT_BUCKET must be the name of a bucket, of 3 to 63 of a-z"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_its_value(name, value, said, monkeypatch, capsys):
    monkeypatch.setenv(name, value)
    assert ops.main(["backup", "--stack", "prod", "--without-state"]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert "geheim" not in shown


def test_a_stack_without_a_file_is_refused(capsys):
    assert ops.main(["backup", "--stack", "prot", "--without-state"]) == 1
    assert "stack prot: has no file Pulumi.prot.yaml here" in capsys.readouterr().err
