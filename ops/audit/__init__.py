"""`make audit`: what is open, weak or beyond the declaration, rule by rule; nothing is changed.

A rule is one object in the file of its subject; `registry.py` lists the files, and docs/audit.md is made from it.
"""
