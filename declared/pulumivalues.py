"""How Pulumi writes what isn't known yet and what is a secret (its Go package `resource`)."""

# How a value says that it is something special, and which of these is a secret (Pulumi's Go package `resource`).
SIGNATURE, SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
# What stands for a value that isn't known yet: a text of its own for each sort of value (the same package).
UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# What the engine's events have in the place of a secret.
HIDDEN = "[secret]"
