"""What a change does to an environment, for those who review it.

plan           what was changed manually, and what `up` would do: one preview
model          what a plan is made of
reading        the events of a preview as a plan
manual         the words for what was changed manually
authors        who has changed what manually, and when
access         which role reaches more or less than at another commit; accesslist, accessqueries, accessbuckets and
               accesschanges are its parts
markdown       a plan as a page for a pull request; markup is what a page is made of
redaction      what looks like a secret in such a page
github         a report as a comment or an issue there
lint           findings in the text of migrations, each with the way that needs no downtime
forecast       the locks of each statement as a copy of the structure shows them, and for how long
address        where the database of a stack is
ways           how each kind of change is made without downtime
command        ./vpb plan, access and github
"""
