"""The virus scanner's job, which `python -m ops scan` runs.

engines   what looks for harm in a stream of bytes: ClamAV's daemon, or our test signatures
queue     the files that wait, as the login `scanner` reaches them
job       one file after the other: look, quarantine or tag, settle
"""
