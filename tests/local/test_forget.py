"""A state whose plugin is gone: its resources are forgotten, and nobody names them any more."""

from ops.forget import without

PROVIDER = "urn:pulumi:dev::database::pulumi:providers:postgresql::postgresql"
SCHEMA = "urn:pulumi:dev::database::vpb:index:Structure$postgresql:index/schema:Schema::structure-ops"
STEPS = "urn:pulumi:dev::database::vpb:index:Structure$pg:index:MigrationSet::structure-migrations"
STACK = "urn:pulumi:dev::database::pulumi:pulumi:Stack::database-dev"


def test_the_resources_of_a_plugin_go_and_all_others_stay_with_their_secrets():
    state = {
        "version": 3,
        "deployment": {
            "secrets_providers": {"type": "passphrase"},
            "resources": [
                {"urn": STACK, "type": "pulumi:pulumi:Stack"},
                {"urn": PROVIDER, "type": "pulumi:providers:postgresql"},
                {"urn": SCHEMA, "type": "postgresql:index/schema:Schema", "provider": f"{PROVIDER}::1"},
                {
                    "urn": STEPS,
                    "type": "pg:index:MigrationSet",
                    "outputs": {"a": {"ciphertext": "v1:x"}},
                    "dependencies": [SCHEMA, STACK],
                    "propertyDependencies": {"folder": [SCHEMA], "steps": None},
                },
            ],
        },
    }
    found = without(state, "postgresql")
    assert found == {
        "version": 3,
        "deployment": {
            "secrets_providers": {"type": "passphrase"},
            "resources": [
                {"urn": STACK, "type": "pulumi:pulumi:Stack"},
                {
                    "urn": STEPS,
                    "type": "pg:index:MigrationSet",
                    "outputs": {"a": {"ciphertext": "v1:x"}},
                    "dependencies": [STACK],
                    "propertyDependencies": {"folder": [], "steps": []},
                },
            ],
        },
    }
    assert without(found, "postgresql") == found
