"""The version of the whole: program, plugin and clients."""

VERSION = "0.1.0"
