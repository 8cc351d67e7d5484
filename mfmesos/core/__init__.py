"""The core, which makes every scheduling decision: events in, actions out; no I/O, no clock, no randomness."""
