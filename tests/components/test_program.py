"""The program under a mock engine: which resources, under which parents, in which order, with what inputs."""

import inspect
import json
from functools import cache, partial
from typing import Any

import pulumi
import pytest

import pg
from components import base
from components.inputs import InputRefused
from declared import sqlfiles
from declared.grants import DATABASE_GRANTS, GRANTS, HISTORY_GRANTS, SCHEMA_GRANTS
from declared.paths import CHECKOUT
from declared.platform import SUPABASE
from declared.roles import ROLES, SECOND, login_name
from declared.schemas import HISTORY_SCHEMA
from generate.files import SUPABASE_TREE, TREE
from harness.program import Program, Registered, run
from provider.package import package_schema


def test_the_tree_is_the_golden_one(program):
    assert program.tree == TREE.read_text(), (
        "a renamed or moved resource is replaced in every live stack unless it has an alias; `make golden` writes it"
    )


def test_on_supabase_nothing_of_the_platforms_is_declared_and_nothing_at_aws():
    found = run("staging", target="supabase", url="postgresql://postgres:x@127.0.0.1:1/postgres")
    assert found.tree == SUPABASE_TREE.read_text(), "`make golden` writes it"
    assert [each for each in found.resources.values() if each.type.startswith(("aws:", "pulumi:providers:aws"))] == []
    assert "api_url" not in found.outputs
    assert "admin_url" in found.secret_outputs
    for role in SUPABASE.roles:
        assert f"pg:index:Role roles-{role} " not in found.tree


@pytest.mark.parametrize(
    ("key", "value"), [("alarmEmails", ["a@example.org"]), ("roleTrust", {"api": ["ecs-tasks.amazonaws.com"]})]
)
def test_a_setting_that_nothing_would_go_by_on_supabase_is_refused(key, value):
    with pytest.raises(InputRefused, match=f"database:{key} .* where database:target is supabase"):
        run("staging", target="supabase", url="postgresql://postgres:x@127.0.0.1:1/postgres", **{key: value})


HOSTED = {"reference": "abcdefghijklmnopqrst", "networks": ["203.0.113.0/24"], "ssl": True, "poolSize": 20}
OF_ANOTHER = "postgresql://postgres:geheim@db.tsrqponmlkjihgfedcba.supabase.co:5432/postgres"


def test_the_hosted_project_comes_after_everything_else_where_a_setting_names_it():
    url = OF_ANOTHER.replace("tsrqponmlkjihgfedcba", HOSTED["reference"])
    found = run("staging", target="supabase", url=url, project=HOSTED)
    project = found.resources["hosted-project"]
    assert (project.type, project.inputs) == ("pg:index:HostedProject", HOSTED)
    assert project.waits_for == {"checkpoint-schema"}
    more = {*found.tree.splitlines()} - {*SUPABASE_TREE.read_text().splitlines()}
    assert {line.split()[1] for line in more} == {"hosted", "hosted-project"}


def test_a_project_is_refused_where_none_is_hosted_and_where_the_url_is_of_another():
    with pytest.raises(InputRefused, match=r"database:project .* empty where database:target is local"):
        run("dev", project=HOSTED)
    said = "project abcdefghijklmnopqrst, and database:url leads to project tsrqponmlkjihgfedcba: nothing was changed"
    # As DNS reads the name.
    for url in (OF_ANOTHER, OF_ANOTHER.replace("db.", "DB.").replace(".co:", ".CO.:")):
        with pytest.raises(InputRefused, match=said) as caught:
            run("staging", target="supabase", url=url, project=HOSTED)
        assert "geheim" not in str(caught.value)


def test_every_resource_but_components_and_providers_has_a_component_above_it(program):
    tops = {resource.type for resource in program.resources.values() if not resource.parent}
    parts = (
        "Server",
        "Roles",
        "Structure",
        "Access",
        "Encryption",
        "StoredSettings",
        "Alarms",
        "Storage",
        "Realtime",
        "Snapshot",
        "Checkpoint",
    )
    providers = {f"pulumi:providers:{name}" for name in ("pg", "aws")}
    assert tops == {f"vpb:index:{name}" for name in parts} | providers


def test_a_child_is_named_after_its_component(program):
    for resource in program.resources.values():
        assert not resource.parent or resource.name.startswith(f"{resource.parent}-")


def test_main_is_a_table_of_contents():
    lines = (CHECKOUT / "__main__.py").read_text().splitlines()
    assert len(lines) <= 90
    # What isn't the app's database is another table.
    assert [line for line in lines if line.startswith(("class ", "if "))] == ["if adopted:"]


# Order.


def test_the_switch_of_row_security_comes_before_the_policies(program):
    policies = [resource for resource in program.of_type("pg:index:Policy") if resource.parent == "access"]
    assert policies
    for policy in policies:
        assert f"access-{policy.inputs['table']}" in program.waits_for(policy.name)


def _rules(program, table=None):
    found = [*program.of_type("pg:index:Policy"), *program.of_type("pg:index:RowSecurity")]
    return {rule.name for rule in found if rule.parent == "access" and table in (None, rule.inputs["table"])}


def test_a_table_opens_when_its_rules_stand(program):
    doors = [door for door in program.of_type("pg:index:Grants") if door.parent == "access"]
    assert doors
    for door in doors:
        assert _rules(program, door.inputs["name"]) <= program.waits_for(door.name)


def test_what_leads_to_more_than_one_table_opens_when_all_rules_stand(program):
    grants = [door for door in program.of_type("pg:index:Grants") if door.parent == "access"]
    views = [door for door in grants if not _rules(program, door.inputs["name"])]
    functions = [door for door in program.of_type("pg:index:FunctionGrants") if door.parent == "access"]
    assert views
    assert functions
    for door in (*views, *functions):
        assert _rules(program) <= program.waits_for(door.name), f"{door.name} would open a table before its rules stand"


def test_what_comes_after_a_component_comes_after_all_of_it_that_is_in_the_database(program):
    before = program.waits_for("checkpoint-schema")
    components = {"roles", "structure", "access", "encryption", "stored", "realtime"}
    wanted = {resource.name for resource in program.resources.values() if resource.parent in components}
    wanted |= {bucket.name for bucket in program.of_type("pg:index:Bucket")}
    assert wanted <= before


def test_nothing_writes_to_the_database_before_manual_changes_were_looked_for(program):
    writing = [each for each in program.resources.values() if each.type.startswith(("pg:", "postgresql:"))]
    stateless = {"pg:index:Password", "pg:index:KeyPair", "pg:index:SealingKeyPair"}
    stateless |= {"pg:index:BucketGuard", "pg:index:DrillGate"}
    for resource in writing:
        if resource.name != "snapshot-schema" and resource.type not in stateless:
            assert "snapshot-schema" in program.waits_for(resource.name), resource.name


def test_the_order_is_reported_in_few_words(program):
    # Each names what it waits for; when each named all children of a component, a plan took twice as long.
    assert sum(len(resource.waits_for) for resource in program.resources.values()) < 5 * len(program.resources)


def test_what_is_refused_is_refused_before_anything_at_aws_is_changed(program):
    """The CDN, and what knows it, waits for the database to note what ends in a bucket; all else for nothing of it."""
    found = [resource for resource in program.resources.values() if resource.type.startswith("aws:")]
    assert found
    for resource in found:
        before = {program.resources[name].type for name in program.waits_for(resource.name)}
        assert {"snapshot-buckets", "snapshot-schema"} <= program.waits_for("aws"), resource.name
        if "stored-settings" in program.waits_for(resource.name):
            assert resource.name.startswith("storage-cdn-") or "storage-cdn-distribution" in program.waits_for(
                resource.name
            ), resource.name
            continue
        assert not {type for type in before if type.startswith("pg:")} - {"pg:index:KeyPair"}


def test_buckets_come_after_the_policies_by_which_their_changes_are_recorded(program):
    rules = {resource.name for resource in program.of_type("pg:index:Policy")}
    for bucket in program.of_type("pg:index:Bucket"):
        assert rules <= program.waits_for(bucket.name), "and go before them"


def test_migrations_come_after_the_platform_which_comes_after_schemas_roles_and_extensions(program):
    before = program.waits_for("structure-migrations")
    assert "structure-platform" in before
    wanted = {resource.name for resource in program.of_type("pg:index:Schema")}
    wanted |= {resource.name for resource in program.of_type("pg:index:Extension")}
    wanted |= {resource.name for resource in program.of_type("pg:index:Role")}
    assert wanted
    assert wanted <= before


@pytest.mark.parametrize("type", ["pg:index:RowSecurity", "pg:index:Bucket", "pg:index:Publication"])
def test_what_stands_on_tables_comes_after_the_migrations(program, type):
    found = program.of_type(type)
    assert found
    for resource in found:
        assert {"structure-migrations", "structure-platform"} <= program.waits_for(resource.name)


# Inputs.


def test_policies_are_the_files_statements_and_row_security_holds_their_closed_list(program):
    declared = sqlfiles.row_policies(CHECKOUT / "sql" / "policies")
    policies = {
        policy.inputs["name"]: policy.inputs
        for policy in program.of_type("pg:index:Policy")
        if policy.parent == "access"
    }
    assert policies.keys() == {policy.name for policy in declared}
    for policy in declared:
        inputs = policies[policy.name]
        assert (inputs["table"], inputs["command"], inputs["kind"]) == (policy.table, policy.command, policy.kind)
        assert (inputs.get("using"), inputs.get("check")) == (policy.using, policy.check)
        assert inputs["comment"] == policy.comment
        assert inputs["location"] == policy.location
    for guard in program.of_type("pg:index:RowSecurity"):
        table = guard.inputs["table"]
        assert guard.inputs["policies"] == sorted(policy.name for policy in declared if policy.table == table)
        assert guard.inputs["enabled"] is True
        assert guard.inputs["forced"] is (not table.startswith("storage."))


def test_grants_are_the_lists_of_their_file(program):
    found = {
        (each.inputs["kind"], each.inputs["name"]): each.inputs["grants"] for each in program.of_type("pg:index:Grants")
    }
    wanted = {("schema", name): lists for name, lists in SCHEMA_GRANTS.items()}
    wanted |= {("table", name): lists for name, lists in GRANTS["table"].items()}
    wanted |= {("table", f"{HISTORY_SCHEMA}.{table}"): lists for table, lists in HISTORY_GRANTS.items()}
    wanted |= {("schema", HISTORY_SCHEMA): {"migrator": ["usage"]}, ("database", "postgres"): DATABASE_GRANTS}
    assert found == wanted
    functions = [each.inputs["functions"] for each in program.of_type("pg:index:FunctionGrants")]
    assert {name: lists for each in functions for name, lists in each.items()} == GRANTS["function"]


def test_every_login_may_connect_and_nobody_else():
    logins = {role for role, spec in ROLES.items() if spec.login}
    assert {role for role, entries in DATABASE_GRANTS.items() if "connect" in entries} == logins


def test_the_migrator_becomes_the_owner_and_nothing_else():
    assert ROLES["migrator"].member_of == ("app_owner",)
    assert not ROLES["migrator"].inherit, "what it does as itself is its own right"
    assert {role for role, spec in ROLES.items() if "app_owner" in spec.member_of} == {"migrator"}


def test_no_role_is_a_superuser_and_every_login_has_a_verifier(program):
    roles = {role.inputs["name"]: role.inputs for role in program.of_type("pg:index:Role")}
    assert roles.keys() == ROLES.keys()
    for name, inputs in roles.items():
        assert inputs["superuser"] is False
        assert inputs["login"] is ROLES[name].login
        assert ("verifier" in inputs) is ROLES[name].login
    assert [name for name, inputs in roles.items() if inputs["bypassrls"]] == ["service_role", "backup"]


# Open passwords → whether a role's own login and its second one are open, and the output's login.
ROTATIONS = {
    (2, 1): (True, True, "authenticator_2"),
    (2,): (False, True, "authenticator_2"),
    (3, 2): (True, True, "authenticator"),
    (3,): (True, False, "authenticator"),
}


@cache
def with_passwords(*numbers: int) -> Program:
    return run(passwords=list(numbers))


@pytest.mark.parametrize("passwords", list(ROTATIONS), ids=str)
def test_two_logins_of_each_role_take_turns(passwords):
    rotated = with_passwords(*passwords)
    own, second, current = ROTATIONS[passwords]
    roles = {role.inputs["name"]: role.inputs for role in rotated.of_type("pg:index:Role")}
    assert roles.keys() == {*ROLES, *SECOND.values()}
    for role, other in SECOND.items():
        for name, is_open in ((role, own), (other, second)):
            assert roles[name]["login"] is is_open
            verifier = f"SCRAM-SHA-256$of-roles-{name}-password"
            assert roles[name].get("verifier") == (verifier if is_open else None), "a closed one has no password"
    assert rotated.outputs["api_url"].startswith(f"postgresql://{current}:password-of-roles-{current}-password@")
    assert "vpb.keys" in rotated.outputs["auth_url"]
    numbers = {each.name: each.inputs["rotation"] for each in rotated.of_type("pg:index:Password")}
    wanted = {login_name(role, number): str(number) for role in SECOND for number in passwords}
    assert numbers == {f"roles-{name}-password": number for name, number in wanted.items()}


def test_a_second_login_begins_as_its_role_and_has_nothing_beside_that_membership():
    rotated = with_passwords(2, 1)
    roles = {role.inputs["name"]: role for role in rotated.of_type("pg:index:Role")}
    memberships = {each.inputs["role"]: each.inputs for each in rotated.of_type("pg:index:Memberships")}
    for role, second in SECOND.items():
        inputs = roles[second].inputs
        assert inputs["settings"] == {**(roles[role].inputs.get("settings") or {}), "role": role}
        assert (inputs["limit"], inputs["inherit"], inputs["bypassrls"]) == (roles[role].inputs["limit"], True, False)
        assert roles[role].name in rotated.waits_for(roles[second].name), "it must be there to become it"
        assert (memberships[second]["groups"], memberships[second]["members"]) == ([role], [])
        assert second in memberships[role]["members"]


@pytest.fixture(scope="module")
def changed() -> Program:
    """The program with other settings."""
    return run(encryptionKeys=["k2", "k1"], verifyingProviders=["github"], invitationDays="3", protectData="true")


def test_the_first_key_seals_and_all_of_them_open(changed):
    (keys,) = changed.of_type("pg:index:SealingKeys")
    assert keys.inputs["order"] == ["k2", "k1"]
    assert keys.inputs["publicKeys"] == {name: f"public-encryption-{name}" for name in ("k1", "k2")}
    assert "structure-migrations" in changed.waits_for("encryption-keys")
    assert "k2%3Aprivate-encryption-k2%2Ck1%3Aprivate-encryption-k1" in changed.outputs["auth_url"]


def test_the_database_gets_the_settings_that_its_functions_go_by(changed):
    (stored,) = changed.of_type("pg:index:Settings")
    assert stored.inputs["table"] == "private.settings"
    values = stored.inputs["values"]
    assert values.keys() == {
        *("verifyingProviders", "invitationDays", "invitationsPerDay", "projectsPerPerson", "projectMegabytes"),
        *("budgets", "generationsWaiting", "reservationMinutes", "generationDays", "bucketAccess", "cdnBuckets"),
        *("archivedTables", "broadcast"),
    }
    assert (values["verifyingProviders"], values["invitationDays"]) == ('["github"]', "3")
    assert "access-settings_insert_definer" in changed.waits_for("stored-settings")


def test_steps_are_those_of_the_folders(program):
    for found in program.of_type("pg:index:MigrationSet"):
        steps = sqlfiles.steps(CHECKOUT / found.inputs["folder"])
        assert found.inputs["steps"] == {step.name: step.checksum for step in steps}


def test_the_command_without_the_engine_runs_what_the_program_declares(program):
    usual = "supabase_migrations.schema_migrations"
    declared = {
        sqlfiles.StepFolder(found.inputs["folder"], found.inputs.get("history") or usual, found.inputs.get("role"))
        for found in program.of_type("pg:index:MigrationSet")
    }
    assert declared == set(sqlfiles.STEP_FOLDERS)


def test_steps_may_go_back_on_dev_whatever_they_lose(program, changed):
    assert [found.inputs["protect"] for found in program.of_type("pg:index:MigrationSet")] == [False, False]
    protected = changed.of_type("pg:index:MigrationSet")
    assert [(found.inputs["protect"], found.held) for found in protected] == [(True, True)] * 2


def test_a_refused_setting_leaves_nothing_registered():
    with pytest.raises(InputRefused, match="target is 'azure'"):
        run(target="azure")


BROKEN = {
    "sql/migrations/0001_x.up.sql": "sql/migrations/0001_x.up.sql:1: the header's line 1 must read `-- 0001",
    "sql/policies/public.x.sql": "sql/policies/public.x.sql:1: only this form is read here",
}


@pytest.mark.parametrize("file", list(BROKEN))
def test_a_broken_rule_in_sql_is_one_line_and_leaves_nothing_registered(tmp_path, monkeypatch, file):
    monkeypatch.setattr(sqlfiles, "read", partial(sqlfiles.read, tmp_path))
    path = tmp_path / file
    for folder in ("platform", "supabase", "migrations", "policies"):
        (tmp_path / "sql" / folder).mkdir(parents=True)
    path.write_text("select 1;\n")
    if "migrations" in file:
        path.with_name("0001_x.down.sql").write_text("select 1;\n")
    registered: list[Registered] = []
    monkeypatch.setattr(Program, "register", lambda self, resource: registered.append(resource))
    with pytest.raises(pulumi.RunError) as caught:
        run()
    assert str(caught.value).startswith(BROKEN[file])
    assert "\n" not in str(caught.value)
    assert registered == []


@pytest.mark.parametrize("missing", ["platform", "supabase", "migrations", "policies"])
def test_a_folder_of_sql_that_is_gone_is_refused_and_not_taken_for_an_empty_one(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(sqlfiles, "read", partial(sqlfiles.read, tmp_path))
    for folder in {"platform", "supabase", "migrations", "policies"} - {missing}:
        (tmp_path / "sql" / folder).mkdir(parents=True)
    registered: list[Registered] = []
    monkeypatch.setattr(Program, "register", lambda self, resource: registered.append(resource))
    with pytest.raises(pulumi.RunError, match=f"^sql/{missing}: there is no such folder"):
        run()
    assert registered == []


def test_the_files_are_read_once(monkeypatch):
    read: list[str] = []
    text_of = sqlfiles.read_text
    monkeypatch.setattr(sqlfiles, "read_text", lambda path: read.append(str(path)) or text_of(path))
    run()
    assert len(read) > 60
    assert len(read) == len(set(read))


# Secrets.

SECRET = "1b47061264138c4ac30d75fd1eb44270"
SIGNATURE = "4dabf18193072939515e22adb298388d"


def in_the_open(value: Any) -> Any:
    """A value of the wire, with what is marked as secret taken out."""
    if hasattr(value, "fields"):
        if SIGNATURE in value.fields and value.fields[SIGNATURE].string_value == SECRET:
            return "hidden"
        return {name: in_the_open(item) for name, item in value.fields.items()}
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return [in_the_open(item) for item in value.list_value.values]
    return in_the_open(value.struct_value) if kind == "struct_value" else getattr(value, kind)


def test_nothing_secret_is_in_a_plain_input(program):
    for resource in program.resources.values():
        text = str(in_the_open(resource.wire))
        assert program.password not in text, f"{resource.name} shows the server's password"
        assert "password-of-" not in text, f"{resource.name} shows a generated password"
        assert "private-" not in text, f"{resource.name} shows a private key"


def test_the_provider_gets_the_password_as_a_secret(program):
    assert program.password in str(program.resources["pg"].wire)
    assert in_the_open(program.resources["pg"].wire)["url"] == "hidden"


def test_the_urls_are_secret_outputs_and_the_rest_is_not(program):
    urls = {name for name in program.outputs if name.endswith("_url")}
    logins = {"admin_url", "api_url", "auth_url", "monitor_url", "migrator_url", "backup_url", "scanner_url"}
    assert urls == logins | {"cleaner_url", "storage_url"}
    assert program.secret_outputs == urls | {"cdn_signing_key"}
    assert program.outputs["admin_url"] == f"postgresql://postgres:{program.password}@127.0.0.1:1/postgres"
    assert program.outputs["api_url"].startswith("postgresql://authenticator:password-of-roles-authenticator-password@")
    assert program.outputs["auth_url"].endswith("/postgres?options=-c%20vpb.keys%3Dk1%3Aprivate-encryption-k1")
    assert not [name for name in urls - {"auth_url"} if "private-" in program.outputs[name]], "Auth.js' login alone"
    assert program.outputs["object_bucket"] == "storage-objects-files-bucket-id"
    assert program.outputs["alarm_topic_arn"] == "arn:aws:sns:us-east-1:123456789012:alarms-topic"
    assert program.outputs["scanning"] == "clamav"
    assert program.outputs["cdn_domain"] == "storage-cdn-distribution.cloudfront.net"
    assert program.outputs["storage_buckets"]["audio"]["file_size_limit"] == 50_000_000
    assert program.outputs["storage_retention_days"] == {"exports": 7}
    assert program.outputs["max_object_size"] == 50_000_000


# The program's classes of the provider.

SCHEMA = package_schema()
CLASSES = {
    f"pg:index:{name}": each
    for name, each in vars(pg).items()
    if isinstance(each, type)
    and issubclass(each, pulumi.CustomResource)
    and not name.startswith("_")
    and each is not pg.Provider
}


def test_there_is_a_class_for_every_type_and_no_other():
    assert CLASSES.keys() == SCHEMA["resources"].keys()


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@pytest.mark.parametrize("token", list(CLASSES))
def test_arguments_defaults_and_outputs_of_a_class_are_those_of_the_schema(token):
    declared = SCHEMA["resources"][token]
    parameters = inspect.signature(CLASSES[token].__init__).parameters
    first = list(parameters)[1]
    arguments = {name: each for name, each in parameters.items() if name not in ("self", first, "opts")}
    assert list(arguments) == sorted(arguments, key=list(arguments).index)
    assert arguments.keys() == declared["inputProperties"].keys()
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in arguments.values())
    for name, each in arguments.items():
        if each.default not in (inspect.Parameter.empty, None):
            assert each.default == declared["inputProperties"][name]["default"], f"{name}: another default"
        if name in declared["requiredInputs"]:
            assert each.default is inspect.Parameter.empty, f"{name} is required"
    outputs = declared["properties"].keys() - declared["inputProperties"].keys()
    # An input may be read back as well.
    assert outputs <= CLASSES[token].__annotations__.keys() <= declared["properties"].keys()


def test_the_provider_s_arguments_are_those_of_the_schema():
    arguments = inspect.signature(pg.Provider.__init__).parameters.keys() - {"self", "name", "opts"}
    known = SCHEMA["provider"]["inputProperties"].keys()
    assert {camel(name) for name in arguments} <= known
    assert set(SCHEMA["provider"]["requiredInputs"]) <= {camel(name) for name in arguments}


def test_the_provider_s_schema_file_is_in_date():
    written = json.loads((CHECKOUT / "provider" / "schema.json").read_text())
    assert written == SCHEMA, "run `make golden`"


@pytest.mark.parametrize(("variable", "kept"), [("", False), ("1", True)])
def test_the_sdk_s_debug_messages_are_sent_where_they_are_asked_for(monkeypatch, variable, kept):
    def debug(*_args: object) -> None: ...

    monkeypatch.setattr(pulumi.log, "debug", debug)
    monkeypatch.setenv("PULUMI_SDK_DEBUG", variable)
    base.silence_debug()
    assert (pulumi.log.debug is debug) == kept
