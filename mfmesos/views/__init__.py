"""What users see of a run and of a history: progress, summary, estimates."""
