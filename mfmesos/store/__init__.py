"""Everything that outlives a run or its scheduler: histories and journals in SQLite, and files in the run's folder."""
