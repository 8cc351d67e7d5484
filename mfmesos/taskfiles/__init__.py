"""Task and state files: parsed, split, followed and written; the order that their tasks ask for."""
