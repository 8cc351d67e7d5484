"""What all attempts of a claim share."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Mapping

from mfmesos.shared.wire import ClaimData
from mfmesos_executor.cache import Cache
from mfmesos_executor.client import Client
from mfmesos_executor.gathering import FetchMany
from mfmesos_executor.gpus import NoGpus
from mfmesos_executor.monitor import Monitor
from mfmesos_executor.pinning import Temporaries
from mfmesos_executor.reap import Reaper
from mfmesos_executor.skeletons import Skeletons
from mfmesos_executor.threads import Lanes, Pool


@dataclass
class Tools:
    """Objects shared by all attempts of a claim."""

    claim: ClaimData
    client: Client
    cache: Cache
    reaper: Reaper
    monitor: Monitor
    pool: Pool
    """For what never waits for the network."""
    lanes: Lanes
    environment: Mapping[str, str]
    skeletons: Skeletons
    fetch_many: FetchMany
    temporaries: Temporaries
    gpus: NoGpus
    clock: Callable[[], float] = time.monotonic
    here: Callable[[Callable[[], None]], None] = lambda step: step()
    """Runs a short step on the claim's own thread."""
    folders: tuple[str, ...] = ()
    """The claim's folders: without them no attempt can run."""
    vanished: Callable[[], None] = lambda: None
    """Callback, to be called when one of them is gone."""
    seen: Callable[[str], str] = lambda root: root
    """The name by which a task finds its sandbox."""
