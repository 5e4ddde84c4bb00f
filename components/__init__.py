"""The parts of an environment, in the order in which they are built."""

from components.server import Server, ServerArgs

from components.roles import Roles, RolesArgs  # isort: skip
from components.structure import Structure, StructureArgs  # isort: skip
from components.access import Access, AccessArgs  # isort: skip
from components.encryption import Encryption, EncryptionArgs  # isort: skip
from components.alarms import Alarms, AlarmsArgs  # isort: skip
from components.storage import Storage, StorageArgs  # isort: skip
from components.realtime import Realtime, RealtimeArgs  # isort: skip
from components.snapshot import Snapshot, SnapshotArgs  # isort: skip

__all__ = [
    "Access",
    "AccessArgs",
    "Alarms",
    "AlarmsArgs",
    "Encryption",
    "EncryptionArgs",
    "Realtime",
    "RealtimeArgs",
    "Roles",
    "RolesArgs",
    "Server",
    "ServerArgs",
    "Snapshot",
    "SnapshotArgs",
    "Storage",
    "StorageArgs",
    "Structure",
    "StructureArgs",
]
