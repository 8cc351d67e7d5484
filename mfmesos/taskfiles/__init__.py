"""Task and state files: parse, split, follow and write them; the order of their tasks."""
