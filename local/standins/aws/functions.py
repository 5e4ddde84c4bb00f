"""Functions of Lambda, and who may call them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import NUMBER, TEXT, Block, Fault, Field, MapOf, SetOf, Shape
from plugin.server import CheckFailure, PluginError

_NONE_HAS_IT = "no function of the program has it, leave it out"
_ELSEWHERE = "give the archive as code instead"


class Archive(Shape):
    """A zip file of this machine, as the engine hands it on: by its path, and by the hash of its bytes."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict) or not value.get("path"):
            yield path, "must be an archive that is a file of this machine (pulumi.FileArchive)"

    def equal(self, old: Any, new: Any) -> bool:
        if old.get("hash") and new.get("hash"):
            return bool(old["hash"] == new["hash"])
        return bool(old == new)

    def schema(self) -> dict[str, Any]:
        return {"$ref": "pulumi.json#/Archive"}


class Function(AwsKind):
    """A function, with its program. Nobody runs it here."""

    token = "aws:lambda/function:Function"
    service = "lambda"
    noun = "function"
    gone = frozenset({"ResourceNotFoundException"})
    tagged = True
    auto_name = AutoName("name", limit=64)
    _environment = Block({"variables": Field(shape=MapOf(TEXT))})
    _network = Block(
        {
            "securityGroupIds": Field(shape=SetOf(TEXT), required=True),
            "subnetIds": Field(shape=SetOf(TEXT), required=True),
            "vpcId": Field(computed=True, local=True, unreported=True),
        },
        {"ipv6AllowedForDualStack": _NONE_HAS_IT},
    )
    _settings: ClassVar = {
        "description": Field(),
        "environment": Field(shape=_environment),
        "handler": Field(),
        "memorySize": Field(shape=NUMBER, default=128),
        "role": Field(required=True),
        "runtime": Field(),
        "timeout": Field(shape=NUMBER, default=3),
        "vpcConfig": Field(shape=_network),
    }
    properties: ClassVar = {
        **_settings,
        "architectures": Field(shape=SetOf(TEXT), computed=True),
        "code": Field(shape=Archive(), unreported=True),
        "name": Field(computed=True, immutable=True, aws="FunctionName"),
        "sourceCodeHash": Field(computed=True, local=True),
    }
    outputs: ClassVar = {"arn": TEXT, "lastModified": TEXT, "version": TEXT}
    refused: ClassVar = {
        **dict.fromkeys(("s3Bucket", "s3Key", "s3ObjectVersion", "imageUri", "imageConfig", "packageType"), _ELSEWHERE),
        **dict.fromkeys(
            (
                *("capacityProviderConfig", "codeSha256", "codeSigningConfigArn", "deadLetterConfig", "durableConfig"),
                *("ephemeralStorage", "fileSystemConfig", "kmsKeyArn", "layers", "loggingConfig", "publish"),
                *("publishTo", "replaceSecurityGroupsOnDestroy", "replacementSecurityGroupIds", "skipDestroy"),
                *("reservedConcurrentExecutions", "snapStart", "sourceKmsKeyArn", "tenancyConfig", "tracingConfig"),
                "useResourceTimeoutForPropagation",
            ),
            _NONE_HAS_IT,
        ),
    }
    withheld = frozenset(
        {
            *("invokeArn", "qualifiedArn", "qualifiedInvokeArn", "responseStreamingInvokeArn"),
            *("signingJobArn", "signingProfileVersionArn", "sourceCodeSize"),
        }
    )

    def faults(self, inputs: Values) -> list[CheckFailure]:
        # As AWS has it of a function that comes as a zip file.
        missing = (name for name in ("handler", "runtime") if not inputs.get(name))
        return [CheckFailure(name, "is required") for name in missing]

    def _bytes(self, id: str, inputs: Values) -> bytes:
        if not inputs.get("code"):
            raise PluginError(f"{self.subject(id)}: code is required: give it pulumi.FileArchive of its zip file")
        path = Path(inputs["code"]["path"])
        try:
            return path.read_bytes()
        except OSError as error:
            raise PluginError(f"{self.subject(id)}: {path}: {error.strerror}; run `up` again") from None

    def make(self, site: Site, inputs: Values) -> str:
        name = str(inputs["name"])
        site.client.create_function(
            FunctionName=name,
            Code={"ZipFile": self._bytes(name, inputs)},
            Architectures=inputs.get("architectures") or ["x86_64"],
            Tags=self.all_tags(inputs),
            **Block(self._settings).to_aws(inputs),
        )
        return name

    def find(self, site: Site, id: str) -> Values | None:
        answer = site.client.get_function(FunctionName=id)
        found = answer["Configuration"]
        values = Block(self._settings).from_aws(found)
        # One without a network has empty lists.
        if not (found.get("VpcConfig") or {}).get("SubnetIds"):
            values.pop("vpcConfig", None)
        return {
            **values,
            "architectures": found["Architectures"],
            "arn": found["FunctionArn"],
            "lastModified": found["LastModified"],
            "name": id,
            "sourceCodeHash": found["CodeSha256"],
            "tagsAll": answer.get("Tags") or {},
            "version": found["Version"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        settings = Block(self._settings).to_aws(new)
        settings |= {"Description": new.get("description") or "", "Environment": new.get("environment") or {}}
        if new.get("environment"):
            settings["Environment"] = self._environment.to_aws(new["environment"])
        settings.setdefault("VpcConfig", {"SubnetIds": [], "SecurityGroupIds": []})
        site.client.update_function_configuration(FunctionName=id, **settings)
        code = {name: self.properties[name] for name in ("code", "sourceCodeHash", "architectures")}
        if next(Block(code).differences(state, new, ""), None) is not None:
            architectures = {"Architectures": new["architectures"]} if new.get("architectures") else {}
            site.client.update_function_code(FunctionName=id, ZipFile=self._bytes(id, new), **architectures)
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(Resource=state["arn"], TagKeys=removed)
        if added:
            site.client.tag_resource(Resource=state["arn"], Tags=added)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_function(FunctionName=id)


class Permission(AwsKind):
    """Who may call a function. Its id is the function and the statement of the function's policy."""

    token = "aws:lambda/permission:Permission"
    service = "lambda"
    noun = "permission for function"
    gone = frozenset({"ResourceNotFoundException"})
    auto_name = AutoName("statementId", "statementIdPrefix", limit=100)
    _statement: ClassVar = {
        "action": Field(required=True, immutable=True),
        "principal": Field(required=True, immutable=True),
        "sourceAccount": Field(immutable=True),
        "sourceArn": Field(immutable=True),
    }
    properties: ClassVar = {
        **_statement,
        "function": Field(required=True, immutable=True, aws="FunctionName"),
        "statementId": Field(computed=True, immutable=True),
        "statementIdPrefix": Field(computed=True, immutable=True, unreported=True),
    }
    refused: ClassVar = dict.fromkeys(
        ("eventSourceToken", "functionUrlAuthType", "invokedViaFunctionUrl", "principalOrgId", "qualifier"),
        "no permission of the program has it, leave it out",
    )

    def make(self, site: Site, inputs: Values) -> str:
        statement = self.auto_name.given(inputs)
        function = str(inputs["function"])
        site.client.add_permission(
            FunctionName=function, StatementId=statement, **Block(self._statement).to_aws(inputs)
        )
        return f"{function}/{statement}"

    def find(self, site: Site, id: str) -> Values | None:
        function, _, statement = id.rpartition("/")
        policy = json.loads(site.client.get_policy(FunctionName=function)["Policy"])
        found = next((each for each in policy["Statement"] if each["Sid"] == statement), None)
        if found is None:
            return None
        principal, condition = found["Principal"], found.get("Condition", {})
        return {
            "action": found["Action"],
            "function": function,
            "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            "sourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
            "sourceArn": condition.get("ArnLike", {}).get("AWS:SourceArn"),
            "statementId": statement,
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        """Every property makes another one of it."""

    def remove(self, site: Site, id: str, state: Values) -> None:
        function, _, statement = id.rpartition("/")
        site.client.remove_permission(FunctionName=function, StatementId=statement)


KINDS: tuple[type[AwsKind], ...] = (Function, Permission)
