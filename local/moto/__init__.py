"""moto's own server, with the gaps closed that matter for S3, and with its state kept in a file.

Every module that changes moto says in its docstring what the real service does and on which page that is documented.
What stays untrue is listed in `docs/offline.md`.
"""
