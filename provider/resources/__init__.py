"""The resource types, in the order in which an environment needs them."""

from provider.resources.base import ObjectKind
from provider.resources.bucket import Bucket
from provider.resources.bucketguard import BucketGuard
from provider.resources.defaultprivileges import DefaultPrivileges
from provider.resources.drillgate import DrillGate
from provider.resources.extension import Extension
from provider.resources.functiongrants import FunctionGrants
from provider.resources.given import Given
from provider.resources.grants import Grants
from provider.resources.hostedproject import HostedProject
from provider.resources.keypair import KeyPair, SealingKeyPair
from provider.resources.memberships import Memberships
from provider.resources.migrations import MigrationSet
from provider.resources.password import Password
from provider.resources.policy import Policy
from provider.resources.publication import Publication
from provider.resources.role import Role
from provider.resources.rowsecurity import RowSecurity
from provider.resources.scheduledjob import ScheduledJob
from provider.resources.schema import Schema
from provider.resources.sealingkeys import SealingKeys
from provider.resources.settings import Settings
from provider.resources.snapshot import SchemaCheckpoint, SchemaSnapshot

KINDS: list[type[ObjectKind]] = [
    Password,
    KeyPair,
    SealingKeyPair,
    Given,
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
    BucketGuard,
    DrillGate,
    Publication,
    ScheduledJob,
    SealingKeys,
    Settings,
    SchemaSnapshot,
    SchemaCheckpoint,
    HostedProject,
]
