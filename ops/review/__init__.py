"""What a change does to an environment, for those who review it.

plan       what was changed manually, and what `up` would do: one preview
authors    who has changed what manually, and when
access     which role reaches more or less than at another commit
markdown   a plan as a page for a pull request
github     a report as a comment or an issue there
lint       findings in the text of migrations, each with the way that needs no downtime
forecast   the locks of each statement as a copy of the structure shows them, and for how long
address    where the database of a stack is
ways       how each kind of change is made without downtime
command    ./vpb plan, access and github
"""
