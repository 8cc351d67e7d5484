"""How resources are divided among claimants. Pure."""
