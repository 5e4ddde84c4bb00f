"""The first steps of an app's developer: the page from top to bottom, with what npm has today."""

import shutil

import pytest

from declared.paths import CHECKOUT
from harness.checkout import Scratch
from tests.stack import pages

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("documented")]
PAGE = CHECKOUT / "docs" / "first-steps.md"
SETTINGS = "Pulumi.dev.yaml"


def test_a_new_app_writes_a_row_under_row_security(documented: Scratch) -> None:
    said = ""
    try:
        for block in pages.blocks(PAGE.read_text()):
            if block.kind == "sh":
                said = "".join(pages.run(documented, command) for command in block.commands)
            elif block.kind == "text":
                assert pages.missing(block.text, said) == [], said
            else:
                assert block.file, f"a block of {block.kind} that nobody runs"
                pages.write(documented.folder, block)
    finally:
        shutil.copy2(CHECKOUT / SETTINGS, documented.folder)
        shutil.rmtree(documented.folder / "first-app", ignore_errors=True)
    assert "42501" in said
