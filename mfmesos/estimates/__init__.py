"""What tasks will need, learned from attempts that have ended. Pure."""
