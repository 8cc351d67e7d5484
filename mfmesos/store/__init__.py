"""What outlives a run, in SQLite: the history of attempts that estimates learn from."""
