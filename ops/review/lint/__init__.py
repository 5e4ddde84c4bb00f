"""Findings in the text of migrations: squawk's, and ours that know the structure and the app.

model        a finding
structure    what migrations have made so far
types        which change of a type writes the table again
uses         what the running app uses
deployed     the queries of the app that runs
rules        ours about a statement
endrules     ours about what a file or a set leaves
squawk       squawk's
shown        for people and scripts
exceptions   what a file allows itself
run          all of them
"""

from ops.review.lint.model import Finding as Finding
from ops.review.lint.run import findings as findings
from ops.review.lint.run import of as of
