"""Migrations without Pulumi: for emergencies, tests and databases that were here before this project."""
