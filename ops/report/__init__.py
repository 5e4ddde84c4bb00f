"""The status report: one page that a manager reads, with what operators need below, and the same numbers as JSON."""
