"""Makes tests/support.py importable from every test folder."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from clusters import (  # noqa: F401  fixtures: pytest finds them by these names
    cluster,
    embedded_mesos,
    make_cluster,
    make_embedded,
    make_real_mesos,
    real_mesos,
)
