"""`python -m mfmesos_executor`, like the zip app's own __main__."""
import sys

from mfmesos_executor.main import main

if __name__ == "__main__":
    sys.exit(main())
