"""The event log, which records what goes into the core and what comes out, and its replay (docs/extending.md)."""
