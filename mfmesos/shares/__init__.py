"""Divides resources among claimants. Pure."""
