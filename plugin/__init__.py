"""What all plugins of this project share: the wire format, the server and its manners towards the engine.

The plugins speak the resource provider protocol (`provider.proto` of pulumi/pulumi) directly, see
`docs/decisions/0002-plugins-on-the-protocol.md`.
"""
