"""Loads the official SDKs before warnings are errors: importing one warns of its own deprecated names."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pulumi_postgresql
    from pulumi_aws import s3

    # The SDKs load a module when something in it is asked for.
    LOADED = (pulumi_postgresql.Schema, s3.Bucket)
