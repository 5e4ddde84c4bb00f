"""The files that other tools watch the health by, read by those tools: Prometheus, postgres_exporter, Grafana's SDK."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from declared import health
from declared.paths import CHECKOUT
from ops.errors import CommandError
from ops.health import files
from tests.conftest import absent

SERIES = 'vpb_%s_value{stack="prod", metric="%s", object="%s"}'
BOOKS = "https://wiki.example.org/books"


def debian(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        absent(f"no {program} on PATH (Debian: apt install prometheus prometheus-postgres-exporter)")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    watched = files.Watched("prod", health.checks({"errors": [5, None]}), BOOKS, ("backup_age",))
    watched.write(tmp_path / "new")
    return tmp_path / "new"


def test_each_threshold_is_an_alert_with_its_page(folder: Path) -> None:
    (group,) = yaml.safe_load((folder / files.RULES).read_text())["groups"]
    alerts = {rule["alert"]: rule for rule in group["rules"]}
    limits = [limit for name, check in health.CHECKS.items() for limit in (check.warning, check.critical)]
    # That of `errors` is set to never, and so is that of what can't be read: four say that a part isn't there.
    assert len(alerts) == len(group["rules"]) == sum(limit is not None for limit in limits) - 2 + 4 + 1
    assert alerts["ErrorsWarning"]["expr"] == '{__name__=~"vpb_.+_value", stack="prod", metric="errors"} >= 5'
    for rule in alerts.values():
        assert (CHECKOUT / rule["annotations"]["runbook_url"].replace(BOOKS, "docs/runbooks")).is_file()


def series(part: str, metric: str, values: str, object: str = "") -> dict[str, str]:
    return {"series": SERIES % (part, metric, object), "values": values}


def test_prometheus_raises_and_clears_one_alarm_at_a_time(folder: Path) -> None:
    def alarms(at: str, name: str, *said: dict[str, str]) -> dict[str, Any]:
        expected = []
        for each in said:
            labels = {key: value for key, value in each.items() if key not in ("summary", "page")}
            page = each.get("page", each.get("metric"))
            notes = {"summary": f"prod: {each['summary']}", "runbook_url": f"{BOOKS}/{page}.md"}
            expected.append({"exp_labels": labels | {"stack": "prod"}, "exp_annotations": notes})
        return {"eval_time": at, "alertname": name, "exp_alerts": expected}

    app = {"metric": "lock_wait", "object": "app"}
    warning, critical = app | {"severity": "warning"}, app | {"severity": "critical"}
    waits = health.CHECKS["lock_wait"].title
    hit = {"metric": "cache_hit", "severity": "warning", "summary": "blocks found in memory : 85%"}
    gone = {
        "severity": "critical",
        "metric": "errors",
        "page": "unreadable",
        "summary": "the part usage of the health can't be read",
    }
    never = {"severity": "critical", "metric": "backup_age", "summary": "age of the newest backup: there was none"}
    test = {
        "rule_files": [files.RULES],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    # Fine, then a warning, then critical, then fine again.
                    series("session", "lock_wait", "0 0 20 20 20 20 90 90 90 90 0 0 0 0 0", "app"),
                    series("table", "cache_hit", "0.85x14"),
                    series("session", "connections", "0.1x14"),
                    series("usage", "errors", "0x4"),
                    # Another stack's numbers raise and hide nothing.
                    {"series": SERIES.replace("prod", "dev") % ("usage", "errors", ""), "values": "999x14"},
                    {"series": SERIES.replace("prod", "dev") % ("app", "backup_age", ""), "values": "0x14"},
                ],
                "alert_rule_test": [
                    alarms("1m", "LockWaitWarning"),
                    alarms("5m", "LockWaitWarning", warning | {"summary": f"{waits} app: 20s"}),
                    alarms("5m", "LockWaitCritical"),
                    alarms("9m", "LockWaitCritical", critical | {"summary": f"{waits} app: 1m 30s"}),
                    alarms("14m", "LockWaitCritical"),
                    alarms("14m", "LockWaitWarning"),
                    alarms("5m", "CacheHitWarning", hit),
                    alarms("3m", "UsageUnreadable"),
                    alarms("14m", "UsageUnreadable", gone),
                    alarms("5m", "BackupAgeMissing", never),
                    alarms("14m", "ErrorsWarning"),
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    for words in (["check", "rules", files.RULES], ["test", "rules", "test.yml"]):
        done = subprocess.run([debian("promtool"), *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_exporter_serves_the_health_as_the_monitor(folder: Path, provisioned_database: Any) -> None:
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("alter role monitor password 'seen'")
        where = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = f"postgresql://monitor:seen@{where}?sslmode=disable"
    words = [
        debian("prometheus-postgres-exporter"),
        f"--extend.query-path={folder / files.QUERIES}",
        "--disable-default-metrics",
    ]
    words += ["--disable-settings-metrics", f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen(
        words, env=os.environ | {"DATA_SOURCE_NAME": name}, stderr=subprocess.PIPE, text=True
    ) as exporter:
        try:
            text = _served(port)
        finally:
            exporter.kill()
        for part, metric in files.ALWAYS.items():
            assert f'vpb_{part}_value{{metric="{metric}",object=""' in text, exporter.stderr and exporter.stderr.read()
        assert 'stack="prod"' in text


def _served(port: int) -> str:
    for _ in range(50):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    return ""


def test_grafana_takes_the_dashboard_as_it_is(folder: Path) -> None:
    """Its SDK has the types of Grafana's own schema, and drops what isn't in it."""
    ours = json.loads((folder / files.DASHBOARD).read_text())
    theirs = json.loads(JSONEncoder().encode(Dashboard.from_json(ours)))
    assert len(theirs["panels"]) == len(health.CHECKS) - 1
    assert _within(ours, theirs), "Grafana's schema doesn't have all of it"
    steps = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in ours["panels"]}
    assert [step["color"] for step in steps["partitions_ahead"]] == ["red", "yellow", "green"]
    assert [step["color"] for step in steps["cache_hit"]] == ["yellow", "green"]
    assert [step["color"] for step in steps["lock_wait"]] == ["green", "yellow", "red"]
    assert [step["color"] for step in steps["spare_rows"]] == ["green", "yellow"]


def _within(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(_within(value, theirs.get(key)) for key, value in ours.items())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(_within, ours, theirs))
    return bool(ours == theirs)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"file: Not a directory$|file: File exists$"):
        files.Watched("prod", health.checks({}), "docs/runbooks").write(tmp_path / "file")
