"""The resource types, in the order in which an environment needs them."""

from pgprovider.resources.base import ObjectKind
from pgprovider.resources.bucket import Bucket
from pgprovider.resources.defaultprivileges import DefaultPrivileges
from pgprovider.resources.extension import Extension
from pgprovider.resources.functiongrants import FunctionGrants
from pgprovider.resources.grants import Grants
from pgprovider.resources.keypair import KeyPair, SealingKeyPair
from pgprovider.resources.memberships import Memberships
from pgprovider.resources.migrations import MigrationSet
from pgprovider.resources.password import Password
from pgprovider.resources.policy import Policy
from pgprovider.resources.publication import Publication
from pgprovider.resources.role import Role
from pgprovider.resources.rowsecurity import RowSecurity
from pgprovider.resources.schema import Schema
from pgprovider.resources.sealingkeys import SealingKeys
from pgprovider.resources.snapshot import SchemaCheckpoint, SchemaSnapshot

KINDS: list[type[ObjectKind]] = [
    Password,
    KeyPair,
    SealingKeyPair,
    Role,
    Memberships,
    Schema,
    Extension,
    DefaultPrivileges,
    MigrationSet,
    RowSecurity,
    Policy,
    Grants,
    FunctionGrants,
    Bucket,
    Publication,
    SealingKeys,
    SchemaSnapshot,
    SchemaCheckpoint,
]
