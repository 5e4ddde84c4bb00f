"""Findings in the text of migrations: squawk's, and ours that know the structure and the app.

model           a finding, an exception
objects         what a structure is made of
structure       what migrations have made so far
types           which change of a type writes the table again
code            the statements in a `do` block
uses            what the running app uses
deployed        the queries of the app that runs
seen            a statement, and what there is before it
rules           ours about what a statement makes
accessrules     ours about who reaches what after it
operationrules  ours about what it does while it runs
endrules        ours about what a file or a set leaves
openrules       the same, about who reaches what
indexuse        an index in use that is dropped
squawk          squawk's
shown           for people and scripts
exceptions      what a file allows itself
run             all of them
"""

from ops.review.lint.model import Excepted as Excepted
from ops.review.lint.model import Finding as Finding
from ops.review.lint.model import Outcome as Outcome
from ops.review.lint.run import findings as findings
from ops.review.lint.run import outcome as outcome
from ops.review.lint.run import outcome_of as outcome_of
from ops.review.lint.run import outcome_on as outcome_on
