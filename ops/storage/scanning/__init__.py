"""The virus scanner's job, which `./vpb scan` runs.

engines     what says whether a file is harmful: GuardDuty by its tags, or our test signatures
clamd       the engine for real files: ClamAV's daemon, and what it doesn't look into
samples     small files with a test signature inside, to try an engine with
signatures  what is harmless and found all the same
file        one file in the object store: read, tagged, moved, deleted
queue       the files that wait, as the login `scanner` reaches them
job         one file after the other: look, quarantine or tag, settle
"""
