"""What people read of a run and of a history: progress, summary, estimates."""
