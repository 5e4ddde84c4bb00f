"""What is written is what a shell and a parser of dotenv read; secrets are there for those who ask."""

import io
import json
import os
import subprocess

import dotenv
import pytest

from declared.platform import NOTHING, SUPABASE
from ops import __main__ as ops
from ops.errors import CommandError
from ops.everyday import env
from run import engine
from targets import AwsEndpoint, target

KEY = "-----BEGIN PRIVATE KEY-----\nMIIE+/=\n-----END PRIVATE KEY-----\n"
VALUES = {
    "URL": "postgresql://u:p%40%24%27@[::1]:5432/app?sslmode=disable&options=-c%20a%3Db",
    "PEM": KEY,
    "JSON": '{"audio":{"public":false,"allowed_mime_types":["audio/*"]}}',
    "SPACES": "  two words\t",
    "DOLLAR": "pa$word $(id) `id` $HOME #1",
    "QUOTED": "it's",
    "DOUBLE": 'say "yes"',
    "EMPTY": "",
}
# What no dotenv file carries to every parser.
HARD = {"BOTH": 'it\'s "$5"', "SLASH": "C:\\new\\", "BRACES": "${HOME}", "RETURN": "a\r\nb"}


def read_by_sh(text: str, names: list[str]) -> dict[str, str]:
    shown = "; ".join(f'printf "%s\\0" "${name}"' for name in names)
    done = subprocess.run(["sh", "-euc", f"{text}\n{shown}"], capture_output=True, check=True)
    return dict(zip(names, done.stdout.decode().split("\0")[:-1], strict=True))


def test_a_shell_reads_back_every_value():
    values = VALUES | HARD
    assert read_by_sh(env.written(values, "shell"), list(values)) == values


def test_dotenv_is_read_back_by_its_parser_and_by_a_shell():
    text = env.written(VALUES, "dotenv")
    assert dotenv.dotenv_values(stream=io.StringIO(text)) == VALUES
    assert read_by_sh(text, list(VALUES)) == VALUES


@pytest.mark.parametrize("name", HARD)
def test_what_parsers_of_dotenv_read_differently_is_refused(name):
    with pytest.raises(CommandError, match=f"^{name} has characters .* use --format shell or json$"):
        env.written({name: HARD[name]}, "dotenv")


def test_json_has_every_value():
    assert json.loads(env.written(VALUES | HARD, "json")) == VALUES | HARD


OUTPUTS = {
    "api_url": "postgresql://authenticator:pw1@127.0.0.1:1/app",
    "auth_url": "postgresql://authjs:pw2@127.0.0.1:1/app?options=-c%20key%3Dpw3",
    "admin_url": "postgresql://postgres:pw4@127.0.0.1:1/app",
    "object_bucket": "vpb-dev-objects",
    "storage_buckets": {"audio": {"public": False}},
    "cdn_domain": "d1.cloudfront.net",
    "cdn_signing_key": {"id": "K1", "private_key": KEY},
}
SECRET = ["DATABASE_URL", "AUTH_DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "CDN_PRIVATE_KEY"]


class Elsewhere:
    platform = NOTHING
    can = target.Can(guardduty=False, test_signatures=True, make_server=False)

    def aws(self, stack: str) -> AwsEndpoint:
        return AwsEndpoint("http://127.0.0.1:2", "AKIAPW5", "pw6")


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setattr("ops.outputs.read", lambda stack: dict(OUTPUTS))
    monkeypatch.setattr(engine, "target", lambda stack: Elsewhere())
    monkeypatch.setattr(engine, "region", lambda stack: "eu-central-1")
    monkeypatch.setattr(engine, "own_parameters", lambda stack: {"host": "127.0.0.1", "port": "7777"})


def test_without_secrets_none_is_written_and_it_says_which_are_left_out(capsys, stack):
    assert ops.main(["env"]) == 0
    said = capsys.readouterr()
    assert [word for word in ("pw1", "pw2", "pw3", "AKIAPW5", "pw6", "PRIVATE KEY--") if word in said.out] == []
    assert said.err == f"left out, since secret: {', '.join(SECRET)}; --secrets shows them\n"
    assert dotenv.dotenv_values(stream=io.StringIO(said.out)) == {
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2",
        "OBJECT_BUCKET": "vpb-dev-objects",
        "STORAGE_BUCKETS": '{"audio":{"public":false}}',
        "CDN_DOMAIN": "d1.cloudfront.net",
        "CDN_KEY_ID": "K1",
    }


def test_with_secrets_the_urls_lead_to_where_the_server_is_now(capsys, stack):
    assert ops.main(["env", "--secrets", "--all", "--format", "json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert said.err == ""
    assert found["DATABASE_URL"] == "postgresql://authenticator:pw1@127.0.0.1:7777/app"
    assert found["AUTH_DATABASE_URL"].endswith("?options=-c%20key%3Dpw3")
    assert found["ADMIN_DATABASE_URL"].startswith("postgresql://postgres:pw4@127.0.0.1:7777/")
    assert found["CDN_PRIVATE_KEY"] == KEY


class Served(Elsewhere):
    """What is asked of a target that serves an API."""

    can = target.Can(guardduty=False, test_signatures=True, make_server=False, serve_api=True)

    def api(self, stack: str) -> target.Api:
        return target.Api("http://127.0.0.1:3", "anon.key", "pw7", "pw8")


def test_with_an_api_its_address_and_public_key_are_no_secret_the_others_are(capsys, stack, monkeypatch):
    monkeypatch.setattr(engine, "target", lambda stack: Served())
    assert ops.main(["env"]) == 0
    said = capsys.readouterr()
    found = dotenv.dotenv_values(stream=io.StringIO(said.out))
    names = {name: value for name, value in found.items() if name.startswith("SUPABASE")}
    assert names == {"SUPABASE_URL": "http://127.0.0.1:3", "SUPABASE_ANON_KEY": "anon.key"}
    assert ops.main(["env", "--secrets"]) == 0
    found = dotenv.dotenv_values(stream=io.StringIO(capsys.readouterr().out))
    assert (found["SUPABASE_SERVICE_ROLE_KEY"], found["SUPABASE_JWT_SECRET"]) == ("pw7", "pw8")


class Hosted:
    """What is asked of a target whose store and some of whose logins are a platform's own."""

    name = "supabase"
    platform = SUPABASE
    can = target.Can(guardduty=False, test_signatures=False, make_server=False, object_store=False)


def test_on_a_platform_the_logins_that_are_ours_are_written(capsys, stack, monkeypatch):
    monkeypatch.setattr(engine, "target", lambda stack: Hosted())
    monkeypatch.setattr("ops.outputs.read", lambda stack: {name: OUTPUTS[name] for name in ("auth_url", "admin_url")})
    assert ops.main(["env", "--secrets", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"AUTH_DATABASE_URL"}
    monkeypatch.setattr("ops.outputs.read", lambda stack: {"admin_url": OUTPUTS["admin_url"]})
    assert ops.main(["env"]) == 1
    assert "has no output api_url: on target supabase that is the platform's own" in capsys.readouterr().err


def test_a_stack_that_was_never_provisioned_is_one_line(capsys, stack, monkeypatch):
    monkeypatch.setattr("ops.outputs.read", lambda stack: {})
    assert ops.main(["env"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: stack dev has no output api_url yet; `make up STACK=dev` provisions it\n",
    )


def test_an_adopted_database_has_logins_of_its_own(capsys, stack, monkeypatch):
    monkeypatch.setattr("ops.outputs.read", lambda stack: {"admin_url": OUTPUTS["admin_url"]})
    monkeypatch.setattr(engine, "adopted", lambda stack: "adopted/shop")
    assert ops.main(["env"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: stack dev has no output api_url: it is the adopted database of adopted/shop")


@pytest.mark.parametrize("words", [["env"], ["psql"], ["status"], ["logs"]], ids=" ".join)
def test_an_unknown_stack_is_refused_with_those_that_there_are_and_nothing_is_made(capsys, monkeypatch, words):
    monkeypatch.setattr(engine, "stacks", lambda: ["dev", "pr-12"])
    monkeypatch.delitem(os.environ, "PULUMI_BACKEND_URL", raising=False)
    assert ops.main([*words, "--stack", "typo"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: there is no stack typo; there are: dev, pr-12;")
    assert not (engine.CHECKOUT / ".local" / "typo").exists()
