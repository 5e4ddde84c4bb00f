"""The health of the database as metrics of CloudWatch: a function that runs every five minutes beside the server.

It asks `ops.health()` part by part, as the login `monitor`, and puts what is known of CHECKS there: of each metric the
worst value without a dimension, which alarms go by, and where it is asked for the value of each object. Beside it in
the archive lie `checks.json` and `authorities.pem`.
"""

import json
import math
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pg8000.exceptions
import pg8000.native
from botocore.config import Config

CHECKS, AUTHORITIES = "checks.json", "authorities.pem"
# Says that there was an answer: the alarm on silence goes by it.
ANSWERED, UNREADABLE = "answered", "unreadable"
# CloudWatch takes 1,000 in one call; more would cost more than they say.
BATCH, MOST = 500, 1000
SECONDS = 20
# Of AWS, so that a place that can't be reached is said before Lambda ends the function.
PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
UNITS = {"seconds": "Seconds", "bytes": "Bytes", "count": "Count"}
# What a dimension may not have in its value, and the longest that is sent.
ODD, LONGEST = re.compile(r"[^\x20-\x7e]"), 250
# The largest number that CloudWatch takes, and the least beside 0.
LARGEST, LEAST = 1e108, 1e-108
TOO_MANY = "53300"
BAD_PASSWORD = ("28P01", "28000")

Row = tuple[str, str, float]


class NoHealth(Exception):
    """There is no answer; the text is one line, without a secret."""


class ServerFull(NoHealth):
    """All connections of the server are in use: that is an answer too."""


def handle(event: Any, context: Any) -> dict[str, Any]:
    """One look: what Lambda calls. A failure is a line in the log; the next look is in its time."""
    folder = Path(__file__).parent
    try:
        known = json.loads((folder / CHECKS).read_text())
        answered, data = found(known["parts"], known["checks"], folder / AUTHORITIES)
        put(data)
    except NoHealth as error:
        print(f"health: {error}")
        return {"answered": False}
    except Exception as error:
        # Lambda would try again twice, and its log have a stack trace in the place of a line.
        print(f"health: {type(error).__name__}: {said(error)}")
        return {"answered": False}
    if answered:
        print(f"health: {len(data)} values")
    return {"answered": answered, "values": len(data)}


def found(
    parts: Iterable[str], checks: Mapping[str, Mapping[str, Any]], authorities: Path
) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the database has answered, and what is sent.

    That it hasn't is a number too: until an alarm finds that numbers are missing, several periods go by.
    """
    try:
        return True, list(metrics(look(parts, authorities), checks, os.environ["OBJECTS"] == "true"))
    except ServerFull as error:
        print(f"health: {error}")
        return True, list(metrics([("connections", "", 1.0)], checks, False))
    except NoHealth as error:
        print(f"health: {error}")
        return False, [{"MetricName": ANSWERED, "Value": 0.0, "Unit": "Count", "Timestamp": datetime.now(UTC)}]


def look(parts: Iterable[str], authorities: Path) -> list[Row]:
    """What the database says of itself; a part that can't be read is a row that says so.

    :raises NoHealth: where nobody answers, or no part can be read
    """
    connection = connect(authorities)
    rows: list[Row] = []
    failed = []
    try:
        for part in parts:
            try:
                found = connection.run(
                    f"select metric, object, value from ops.{part}_metrics() where value is not null"
                )
            except pg8000.exceptions.InterfaceError as error:
                # The session has ended: what was read is still true.
                failed.append(said(error))
                rows.append((UNREADABLE, part, 1.0))
                break
            except pg8000.exceptions.Error as error:
                failed.append(said(error))
                rows.append((UNREADABLE, part, 1.0))
            else:
                rows += [(str(metric), str(object), float(value)) for metric, object, value in found or ()]
    finally:
        with suppress(pg8000.exceptions.Error, OSError):
            connection.close()
    if failed and len(failed) == len(rows):
        raise NoHealth(f"no part can be read: {failed[0]}")
    return rows


def connect(authorities: Path) -> pg8000.native.Connection:
    """A session that has checked who answers; of the logins that are open the first one that comes in.

    :raises NoHealth: where none does
    """
    context = _context(authorities)
    host, port = os.environ["DATABASE_HOST"], int(os.environ["DATABASE_PORT"])
    error = "the secret has no login"
    for login in logins():
        try:
            return pg8000.native.Connection(
                login["username"],
                host=host,
                port=port,
                database=os.environ["DATABASE_NAME"],
                password=login["password"],
                ssl_context=context,
                timeout=SECONDS,
                application_name="vpb health",
            )
        except pg8000.exceptions.DatabaseError as refused:
            error = said(refused)
            if _code(refused) == TOO_MANY and "connections for" not in error:
                raise ServerFull(f"{host}:{port}: {error}") from None
            if _code(refused) not in BAD_PASSWORD:
                break
        except (pg8000.exceptions.Error, OSError) as failed:
            error = said(failed)
            break
    raise NoHealth(f"{host}:{port}: {error}")


def _context(authorities: Path) -> ssl.SSLContext:
    """
    :raises NoHealth: where the archive has no certificates
    """
    try:
        context = ssl.create_default_context(cafile=str(authorities))
    except (ssl.SSLError, OSError) as error:
        raise NoHealth(f"{AUTHORITIES}: {said(error)}") from None
    # Python 3.13 asks for extensions that RFC 5280 wants of an authority and some older ones of RDS haven't.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def logins() -> list[Mapping[str, str]]:
    """Who may ask, with the password; two while passwords are exchanged.

    :raises NoHealth: where the secret can't be read
    """
    try:
        found = boto3.client("secretsmanager", config=PATIENCE).get_secret_value(SecretId=os.environ["SECRET"])
        return list(json.loads(found["SecretString"])["logins"])
    except Exception as error:
        # What is in the secret is in no text of these errors; a text that isn't JSON might be.
        why = said(error) if not isinstance(error, ValueError) else "isn't as the program writes it"
        raise NoHealth(f"secret {os.environ['SECRET']}: {why}") from None


def metrics(rows: Iterable[Row], checks: Mapping[str, Mapping[str, Any]], objects: bool) -> Iterator[dict[str, Any]]:
    """What is sent: of each metric the worst value, then each object's; at most MOST."""
    found = [
        (metric, object, value)
        for metric, object, value in rows
        if metric in checks and (value == 0 or LEAST < abs(value) < LARGEST) and math.isfinite(value)
    ]
    worst: dict[str, float] = {}
    for metric, _, value in found:
        choose = min if checks[metric]["below"] else max
        worst[metric] = choose(worst.get(metric, value), value)
    sent = [_datum(metric, value, checks) for metric, value in worst.items()]
    sent.append({"MetricName": ANSWERED, "Value": 1.0, "Unit": "Count"})
    if objects:
        named = {(metric, name(object)): value for metric, object, value in found if object.strip()}
        sent += [
            {**_datum(metric, value, checks), "Dimensions": [{"Name": "object", "Value": object}]}
            for (metric, object), value in named.items()
        ]
    now = datetime.now(UTC)
    yield from ({**datum, "Timestamp": now} for datum in sent[:MOST])


def _datum(metric: str, value: float, checks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"MetricName": metric, "Value": value, "Unit": UNITS.get(checks[metric]["unit"], "None")}


def name(object: str) -> str:
    """An object's name as a dimension takes it: printable ASCII, not beginning with a colon."""
    return re.sub(r"^:", "?", ODD.sub("?", object.strip()))[:LONGEST]


def put(data: list[dict[str, Any]]) -> None:
    """
    :raises NoHealth: where CloudWatch doesn't take it
    """
    try:
        cloudwatch = boto3.client("cloudwatch", config=PATIENCE)
        for at in range(0, len(data), BATCH):
            cloudwatch.put_metric_data(Namespace=os.environ["NAMESPACE"], MetricData=data[at : at + BATCH])
    except Exception as error:
        raise NoHealth(f"CloudWatch: {said(error)}") from None


def said(error: Exception) -> str:
    """An error as one line."""
    known = error.args[0] if error.args else ""
    text = known.get("M", "") if isinstance(known, dict) else str(error)
    return " ".join(str(text).split()) or type(error).__name__


def _code(error: pg8000.exceptions.DatabaseError) -> str:
    known = error.args[0] if error.args else None
    return str(known.get("C", "")) if isinstance(known, dict) else ""
