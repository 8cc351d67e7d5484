"""What schedules, and nothing else: events in, actions out; no I/O, no clock, no randomness."""
