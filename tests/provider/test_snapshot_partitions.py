"""A partition that isn't as its table is, is named, whatever the difference; what is as it should be isn't."""

import pytest

from tests.provider.snapshots import Stack, manual_changes

pytest_plugins = ["tests.provider.snapshot_fixtures"]

ROOT, MONTH = "public.months", "public.months_2026_01"
KEY = f"table {ROOT}: partition {MONTH}"
NEXT = "for values from ('2026-02-01') to ('2026-03-01')"
BUILD = [
    "create table public.owners (id int primary key)",
    f"create table {ROOT} (id bigint not null, at date not null, body text default 'a', size int, "
    "owner_id int references public.owners (id), constraint months_pkey primary key (id, at), "
    "constraint months_size_check check (size > 0)) partition by range (at)",
    f"create table {MONTH} partition of {ROOT} for values from ('2026-01-01') to ('2026-02-01')",
    f"create table public.months_2026_02 (like {ROOT} including all)",
    f"alter table {ROOT} attach partition public.months_2026_02 {NEXT}",
    f"create index months_size_idx on {ROOT} (size)",
    f"grant select, insert (body) on {ROOT} to drift_reader",
    f"create trigger guard before delete on {ROOT} for each row execute function vault.touch1()",
]
# What is changed, how that is reported, and how it is undone.
CHANGES = [
    (f"grant select on {MONTH} to public", "granted select to public", f"revoke select on {MONTH} from public"),
    (
        f"grant select on {MONTH} to drift_reader with grant option",
        "granted select with grant option to drift_reader",
        f"revoke select on {MONTH} from drift_reader",
    ),
    (
        f"grant update (body) on {MONTH} to drift_reader",
        "granted update (body) to drift_reader",
        f"revoke update (body) on {MONTH} from drift_reader",
    ),
    (
        f'create role "drift, other"; grant select on {MONTH} to "drift, other"',
        'granted select to "drift, other"',
        f'revoke select on {MONTH} from "drift, other"; drop role "drift, other"',
    ),
    (
        f"alter table {MONTH} add constraint own foreign key (size) references public.owners (id)",
        "constraint own",
        f"alter table {MONTH} drop constraint own",
    ),
    (
        f"alter table {MONTH} add constraint own unique (size)",
        "constraint own",
        f"alter table {MONTH} drop constraint own",
    ),
    (
        f"alter table {MONTH} add constraint own exclude (size with =)",
        "constraint own",
        f"alter table {MONTH} drop constraint own",
    ),
    (
        f"alter table {MONTH} add constraint own check (false) not valid",
        "constraint own",
        f"alter table {MONTH} drop constraint own",
    ),
    (f"create unique index own on {MONTH} (size)", "unique index own", "drop index public.own"),
    (
        f"alter table {MONTH} alter body set not null",
        "not null of body",
        f"alter table {MONTH} alter body drop not null",
    ),
    (
        f"alter table {MONTH} replica identity full",
        "replica identity full",
        f"alter table {MONTH} replica identity default",
    ),
    (
        f"alter table {MONTH} replica identity using index months_2026_01_pkey",
        "replica identity using an index",
        f"alter table {MONTH} replica identity default",
    ),
    (f"alter table {MONTH} set (fillfactor = 50)", "options fillfactor=50", f"alter table {MONTH} reset (fillfactor)"),
    (
        f"alter table {MONTH} set (toast.autovacuum_enabled = off)",
        "toast options autovacuum_enabled=off",
        f"alter table {MONTH} reset (toast.autovacuum_enabled)",
    ),
    (
        f"alter table {MONTH} disable trigger all",
        "enforcement of constraint months_owner_id_fkey disabled, trigger guard disabled",
        f"alter table {MONTH} enable trigger all",
    ),
    (
        f"alter table {MONTH} disable trigger guard",
        "trigger guard disabled",
        f"alter table {MONTH} enable trigger guard",
    ),
    (
        f"alter table {MONTH} enable always trigger guard",
        "trigger guard enabled always",
        f"alter table {MONTH} enable trigger guard",
    ),
    (
        f"create trigger own before insert on {MONTH} for each row execute function vault.touch1()",
        "trigger own",
        f"drop trigger own on {MONTH}",
    ),
    (
        f"alter table {MONTH} alter body set default 'b'",
        "default of body",
        f"alter table {MONTH} alter body set default 'a'",
    ),
    (
        f"alter table {MONTH} alter body drop default",
        "default of body",
        f"alter table {MONTH} alter body set default 'a'",
    ),
    (f"alter table {MONTH} owner to drift_owner", "owner drift_owner", f"alter table {MONTH} owner to current_user"),
    (f"create policy own on {MONTH} using (true)", "policy own", f"drop policy own on {MONTH}"),
    (f"create rule own as on insert to {MONTH} do instead nothing", "rule own", f"drop rule own on {MONTH}"),
    (
        f"alter table {MONTH} alter body set statistics 7",
        "statistics 7 of body",
        f"alter table {MONTH} alter body set statistics -1",
    ),
    (
        f"alter table {MONTH} alter body set storage external",
        "external storage of body",
        f"alter table {MONTH} alter body set storage extended",
    ),
    (
        f"alter table {MONTH} alter body set compression pglz",
        "pglz compression of body",
        f"alter table {MONTH} alter body set compression default",
    ),
    (
        f"alter table {MONTH} alter body set (n_distinct = 5)",
        "options (n_distinct=5) of body",
        f"alter table {MONTH} alter body reset (n_distinct)",
    ),
    (
        f"alter table {MONTH} cluster on months_2026_01_size_idx",
        "clustered on months_2026_01_size_idx",
        f"alter table {MONTH} set without cluster",
    ),
    (f"alter table {MONTH} set unlogged", "unlogged", f"alter table {MONTH} set logged"),
]
DECLARED = [
    f"alter table {ROOT} add column extra int not null default 3",
    f"alter table {ROOT} alter body set default 'c', alter size set not null, alter body set statistics 9",
    f"alter table {ROOT} alter body set storage external, alter body set compression pglz",
    f"alter table {ROOT} alter body set (n_distinct = 5)",
    f"alter table {ROOT} disable trigger guard",
    f"alter table {ROOT} enable always trigger guard",
    f"alter table {ROOT} add constraint declared unique (size, at)",
    f"alter table {ROOT} add constraint months_extra_fkey foreign key (extra) references public.owners (id)",
    f"alter table {ROOT} replica identity full",
    f"comment on column {ROOT}.body is 'Text.'",
    f"grant update (size) on {ROOT} to drift_reader with grant option",
    f"create trigger declared after insert on {ROOT} for each row execute function vault.touch1()",
]


@pytest.fixture(scope="module")
def months(server):
    """A stack that is up, and as declared again after each test."""
    for small in server.stack(3):
        small.run(*BUILD)
        small.up()
        yield small


@pytest.mark.parametrize(("statement", "told", "undo"), CHANGES)
def test_a_partition_that_is_not_as_its_table_is_named(months, statement, told, undo):
    # Nothing counts as written since: it is this statement that is noticed.
    months.up()
    months.run(statement)
    try:
        assert manual_changes(months) == {KEY: (None, told)}
    finally:
        months.run(undo)
    assert manual_changes(months) == {}


def test_a_partition_in_another_tablespace_is_named(months):
    months.run("set allow_in_place_tablespaces = on", "create tablespace elsewhere location ''")
    try:
        months.run(f"alter table {MONTH} set tablespace elsewhere")
        assert manual_changes(months) == {KEY: (None, "tablespace elsewhere")}
    finally:
        months.run(f"alter table {MONTH} set tablespace pg_default")
        months.run("drop tablespace elsewhere")
    assert manual_changes(months) == {}


def test_a_foreign_table_as_a_partition_is_named(months):
    months.run(
        "create foreign data wrapper stray; create server stray foreign data wrapper stray",
        "create foreign table public.away partition of public.events "
        "for values from ('2027-01-01') to ('2027-02-01') server stray",
    )
    found = manual_changes(months)
    assert found["table public.events: partition public.away"] == (None, "foreign table, row security disabled")
    months.run("drop foreign data wrapper stray cascade")
    assert manual_changes(months) == {}


def test_what_a_statement_on_the_table_does_to_its_partitions_is_declared(months: Stack, server):
    for small in server.stack(3):
        small.run(*BUILD)
        small.up()
        for statement in DECLARED:
            small.up(statement)
            assert manual_changes(small) == {}, statement
        month = "public.months_2026_03"
        small.run(
            f"create table {month} (like {ROOT} including all)",
            f"alter table {ROOT} attach partition {month} for values from ('2026-03-01') to ('2026-04-01')",
        )
        assert manual_changes(small) == {}


def test_an_index_that_waits_for_its_table_is_no_manual_change(months):
    months.up(f"create unique index months_declared_idx on only {ROOT} (size, at)")
    months.run(f"create unique index own on {MONTH} (size, at)")
    assert manual_changes(months) == {}
    months.up("drop index public.own", "drop index public.months_declared_idx")
    months.run(f"create index own on {MONTH} (size)")
    assert manual_changes(months) == {}
    months.run("drop index public.own")
