"""The control socket of a run: other processes of its user ask it questions."""
