"""What outlives a run or its scheduler: histories and journals in SQLite, and the files in a run's own folder."""
