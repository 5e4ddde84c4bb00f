"""The same from Node: the TypeScript package signs, fetch and @aws-sdk/client-s3 upload, stream and are refused."""

import base64
from dataclasses import asdict

from visual_prompt_builder.signing import Store

from tests.objects import sound
from tests.objects.conftest import ADA, TypeScript

LIMIT = 100_000
NOTHING = f'object "audio/{ADA}/from node.wav": nothing was uploaded as version {{version}} by a form of this person'
GONE = f'object "audio/{ADA}/from node.wav": version  was moved, deleted or found harmful since; upload the file again'


def test_node_uploads_streams_and_is_refused_as_it_should_be(typescript: TypeScript, store: Store) -> None:
    recording = sound.wav(1)
    answer = typescript.run(
        "client.mjs",
        {
            "store": asdict(store),
            "limit": LIMIT,
            "folder": ADA,
            "name": f"{ADA}/from node.wav",
            "sound": base64.b64encode(recording).decode(),
        },
    )
    middle, size = len(recording) // 2, len(recording)
    assert answer == {
        "refused": {
            "too big": [400, "EntityTooLarge"],
            "empty": [400, "EntityTooSmall"],
            "another type": [403, "AccessDenied"],
            "another key": [403, "AccessDenied"],
            "another signature": [403, "SignatureDoesNotMatch"],
            "a field too many": [403, "AccessDenied"],
            "too late": [403, "AccessDenied"],
        },
        "sent": [204, ""],
        "finished": [size, "audio/wav", True, 204, size, []],
        "nothing": NOTHING.format(version="00000000"),
        "twice": True,
        "stranger": NOTHING.format(version=""),
        "gone": GONE,
        "stored": ["audio/wav", size],
        "range": [206, f"bytes {middle}-{middle + 99}/{size}", True],
        "beyond": 416,
        "tail": True,
        "altered": 403,
    }
