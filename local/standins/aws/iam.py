"""Roles and what they may do."""

import json
from typing import ClassVar
from urllib.parse import unquote

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Field, Instant, JsonText, TagMap

_GONE = frozenset({"NoSuchEntity"})


def _document(found: object) -> str:
    # boto3 parses documents that it knows; moto may send them encoded.
    return json.dumps(found) if isinstance(found, dict) else unquote(str(found))


class IamRole(AwsKind):
    """A role: who may take it, and its tags. What it may do is a resource of its own."""

    token = "aws:iam/role:Role"
    service = "iam"
    noun = "IAM role"
    gone = _GONE
    tagged = True
    regional = False
    auto_name = AutoName("name", "namePrefix", limit=64)
    properties: ClassVar = {
        "assumeRolePolicy": Field(shape=JsonText(), required=True),
        "description": Field(),
        "forceDetachPolicies": Field(shape=FLAG, local=True),
        "maxSessionDuration": Field(shape=NUMBER, default=3600),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "path": Field(immutable=True, default="/"),
        "permissionsBoundary": Field(),
    }
    outputs: ClassVar = {"arn": TEXT, "createDate": TEXT, "uniqueId": TEXT}
    refused: ClassVar = {
        "inlinePolicies": "use aws.iam.RolePolicy instead",
        "managedPolicyArns": "use aws.iam.RolePolicyAttachment instead",
    }

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        optional = {"Description": "description", "PermissionsBoundary": "permissionsBoundary"}
        site.client.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            MaxSessionDuration=inputs["maxSessionDuration"],
            Path=inputs["path"],
            Tags=TagMap().to_aws(self.all_tags(inputs)),
            **{argument: inputs[given] for argument, given in optional.items() if inputs.get(given)},
        )
        return name

    def find(self, site: Site, id: str) -> Values | None:
        role = site.client.get_role(RoleName=id)["Role"]
        return {
            "arn": role["Arn"],
            "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
            "createDate": Instant().from_aws(role["CreateDate"]),
            "description": role.get("Description"),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "name": id,
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "uniqueId": role["RoleId"],
            "tagsAll": TagMap().from_aws(site.client.list_role_tags(RoleName=id)["Tags"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        client = site.client
        client.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])
        client.update_role(
            RoleName=id, Description=new.get("description", ""), MaxSessionDuration=new["maxSessionDuration"]
        )
        if new.get("permissionsBoundary"):
            client.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=new["permissionsBoundary"])
        elif state.get("permissionsBoundary"):
            client.delete_role_permissions_boundary(RoleName=id)
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            client.untag_role(RoleName=id, TagKeys=removed)
        if added:
            client.tag_role(RoleName=id, Tags=TagMap().to_aws(added))

    def remove(self, site: Site, id: str, state: Values) -> None:
        if state.get("forceDetachPolicies"):
            for policy in site.client.list_attached_role_policies(RoleName=id)["AttachedPolicies"]:
                site.client.detach_role_policy(RoleName=id, PolicyArn=policy["PolicyArn"])
            for name in site.client.list_role_policies(RoleName=id)["PolicyNames"]:
                site.client.delete_role_policy(RoleName=id, PolicyName=name)
        site.client.delete_role(RoleName=id)


class IamRolePolicy(AwsKind):
    """What a role may do. Its id is the role and its own name."""

    token = "aws:iam/rolePolicy:RolePolicy"
    service = "iam"
    noun = "policy of IAM role"
    gone = _GONE
    regional = False
    auto_name = AutoName("name", "namePrefix", limit=128)
    properties: ClassVar = {
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "policy": Field(shape=JsonText(), required=True),
        "role": Field(required=True, immutable=True),
    }

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        site.client.put_role_policy(RoleName=inputs["role"], PolicyName=name, PolicyDocument=inputs["policy"])
        return f"{inputs['role']}:{name}"

    def find(self, site: Site, id: str) -> Values | None:
        role, _, name = id.partition(":")
        found = site.client.get_role_policy(RoleName=role, PolicyName=name)
        return {"name": name, "role": role, "policy": _document(found["PolicyDocument"])}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        role, _, name = id.partition(":")
        site.client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=new["policy"])

    def remove(self, site: Site, id: str, state: Values) -> None:
        role, _, name = id.partition(":")
        site.client.delete_role_policy(RoleName=role, PolicyName=name)


KINDS: tuple[type[AwsKind], ...] = (IamRole, IamRolePolicy)
