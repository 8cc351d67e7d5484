"""python -m mfmesos."""
from mfmesos.start import cli

cli()
