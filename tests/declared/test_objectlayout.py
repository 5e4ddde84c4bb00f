"""The clients are packages of their own and have their rules twice: they agree with what is declared."""

import pytest
from visual_prompt_builder import names

from declared import naming, objectlayout


def test_the_clients_look_under_the_declared_tenant():
    assert names.TENANT == objectlayout.TENANT


@pytest.mark.parametrize(
    "text", ["audio/mpeg", "image/svg+xml", "audio/x_y-z.1", "Audio/mpeg", "audio", "audio/a b", "audio/!x"]
)
def test_the_clients_know_the_types_that_can_be_declared(text):
    assert bool(names.TYPE.fullmatch(text)) == bool(naming.MIME_TYPE.fullmatch(text))


@pytest.mark.parametrize("id", ["audio", "a" * 100, "0.a-b_c"])
def test_the_clients_know_every_bucket_that_can_be_declared(id):
    assert naming.BUCKET_ID.fullmatch(id)
    assert names.ID.fullmatch(id)
