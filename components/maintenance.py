"""Housekeeping that a scheduler in the database does: jobs of pg_cron, a task each."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

import pg
from components.base import Component

EXTENSION = "pg_cron"


@dataclass(frozen=True, kw_only=True)
class MaintenanceArgs:
    jobs: Mapping[str, tuple[str, str]]
    """Name of a job to its schedule and its statement."""


class Maintenance(Component):
    """The extension and its jobs. It stays when they go: others may have jobs of theirs in it."""

    def __init__(self, name: str, args: MaintenanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"jobs": sorted(args.jobs)}, opts)
        stays = pulumi.ResourceOptions(retain_on_delete=True)
        extension = pg.Extension(
            f"{name}-{EXTENSION}",
            name=EXTENSION,
            schema="pg_catalog",
            opts=pulumi.ResourceOptions.merge(self.child(), stays),
        )
        self.final = [
            pg.ScheduledJob(f"{name}-{job}", name=job, schedule=schedule, command=command, opts=self.child(extension))
            for job, (schedule, command) in args.jobs.items()
        ]
        self.register_outputs({"jobs": sorted(args.jobs)})


def declare(jobs: Mapping[str, tuple[str, str]], opts: pulumi.ResourceOptions) -> list[Component]:
    """The jobs where the database is to run any."""
    return [Maintenance("maintenance", MaintenanceArgs(jobs=jobs), opts)] if jobs else []
