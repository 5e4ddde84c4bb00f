"""What a developer asks for every day: the app's variables, a session, what runs, the server's log."""
