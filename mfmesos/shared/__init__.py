"""What every part may use, and what travels to the agents: standard library only, Python 3.8 or newer."""
