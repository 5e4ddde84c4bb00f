"""What concerns one person: all that there is of them, and who has left."""
