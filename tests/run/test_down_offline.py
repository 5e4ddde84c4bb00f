"""`./vpb down` of a stack at AWS ends what stands in for AWS on this machine, and only there."""

from contextlib import nullcontext

import pytest

from local import services
from ops import __main__ as ops
from run import engine
from targets.aws import Aws
from targets.awsoffline import AwsOffline


@pytest.mark.parametrize(("target", "ended"), [(AwsOffline(), ["destroy", "state", "services", "file"]), (Aws(), None)])
def test_moto_of_an_offline_stack_is_stopped_after_its_resources_are_gone(target, ended, monkeypatch, capsys):
    done: list[str] = []
    monkeypatch.setattr(services, "known", lambda stack: True)
    monkeypatch.setattr(services, "removable", lambda stack: None)
    monkeypatch.setattr(services, "remove", lambda stack: done.append("services"))
    monkeypatch.setattr(engine, "exists", lambda stack: True)
    monkeypatch.setattr(engine, "target", lambda stack: target)
    monkeypatch.setattr(engine, "refuse_protected", lambda stack: None)
    monkeypatch.setattr(engine, "alone", lambda stack: nullcontext())
    monkeypatch.setattr(engine, "remove", lambda stack: done.append("state"))
    monkeypatch.setattr(engine, "forget_file", lambda stack: done.append("file"))
    monkeypatch.setattr(ops, "_destroy", lambda stack, verbose: done.append("destroy"))
    monkeypatch.setattr(ops, "_remove_if_last", lambda: None)
    assert ops.main(["down", "--stack", "trial", "--confirm", "trial"]) == 0
    assert done == (ended or ["destroy", "state"])
    assert ("services stopped, data deleted" in capsys.readouterr().err) == bool(ended)
