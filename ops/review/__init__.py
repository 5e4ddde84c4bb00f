"""What a reviewer of a pending migration asks: does it fit the app that runs, and what does it make people wait for?

lint      findings in the text of migrations, each with the way that needs no downtime
forecast  the locks of each statement as a copy of the structure shows them, and for how long
"""
