"""The virus scanner's job, which `./vpb scan` runs.

engines   what says whether a file is harmful: ClamAV's daemon, GuardDuty by its tags, or our test signatures
file      one file in the object store: read, tagged, moved, deleted
queue     the files that wait, as the login `scanner` reaches them
job       one file after the other: look, quarantine or tag, settle
"""
