"""The embedded cluster: Apache Mesos's v1 scheduler and executor API on one machine, without Mesos.

    in an event loop:     cluster = LocalCluster(agents=2); await cluster.start(); ...; await cluster.stop()
    in a process:         python -m mfmesos.local --agents 2     (mfmesos cluster; --master local starts it so)

Every client of a real master and real agents works with this cluster: real pymesos, real makeflow, plain HTTP. Only
tasks with their own executor run (no command executor, no task groups), resources are unreserved, and a framework has
one effective role. tests/contract runs the same tests on both clusters; where they differ, this one is wrong.

Access control
--------------

A client of a master or agent can run commands as the user who started it. Listening on 127.0.0.1 only keeps other
machines out, but not other users of this machine. So:

- Every server listens on 127.0.0.1 only, and checks every connection against the kernel's table of sockets
  (/proc/net/tcp): the other end must belong to the same user, or to root. Clients need not support this, so it covers
  executors, which cannot authenticate in pymesos, and a plain `makeflow -T mesos`, which knows only HOST:PORT. The
  check cannot be disabled.
- A credential (Basic authentication, as on a real master with --authenticate_http_frameworks) also guards the master:
  scheduler and operator API, /state and /slaves. `--master local` always generates a random credential and passes it in
  a file of mode 0600, so a process of the same user that only guesses the port cannot use the cluster. The foreground
  `mfmesos cluster` takes --secret-file; without that it prints a warning line when it starts, since makeflow itself
  cannot send a credential.
- /files serves only files in the agent's own sandboxes; symlinks out of them are not followed.
- Fault injection exists for tests and is off by default.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfmesos.local.access import Credential as Credential
    from mfmesos.local.cluster import LocalCluster as LocalCluster

__all__ = ["Credential", "LocalCluster"]


def __getattr__(name: str) -> object:
    """aiohttp is imported only when it is needed (docs/performance.md, Start-up)."""
    if name == "LocalCluster":
        from mfmesos.local.cluster import LocalCluster
        return LocalCluster
    if name == "Credential":
        from mfmesos.local.access import Credential
        return Credential
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
