"""Which locks the statements of pending migrations take on what is in use, and for how long.

model        a statement's forecast; which lock blocks what
onacopy      the migrations run on a copy of the structure
observing    what a statement has done there, as the catalogue and the lock table say it
sizes        how large the target's tables are, now or by a file
rates        how long the target takes for a row and a byte
writing      the rows that a statement writes, and where they come from
working      the time that its work takes
estimating   for how long what is in use is locked for it
run          all of it
shown        for people and scripts
"""

from ops.review.forecast.model import StatementForecast as StatementForecast
from ops.review.forecast.run import of as of
from ops.review.forecast.run import sizes_of as sizes_of
from ops.review.forecast.sizes import Sizes as Sizes
from ops.review.forecast.sizes import read_sizes as read_sizes
