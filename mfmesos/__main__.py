"""python -m mfmesos."""
from mfmesos.cli import main

main(prog_name="mfmesos")
