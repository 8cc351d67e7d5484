"""Helpers for all rooms, which also travel to the agents: standard library only, Python 3.8 or newer."""
