"""The embedded cluster: Apache Mesos's v1 scheduler and executor API on one machine, without Mesos.

    in an event loop:     cluster = LocalCluster(agents=2); await cluster.start(); ...; await cluster.stop()
    in a process:         python -m mfmesos.local --agents 2     (mfmesos cluster; --master local starts it so)

What speaks to a real master and real agents speaks to this: real pymesos, real makeflow, plain HTTP. Only tasks with
an executor of their own run (no command executor, no task groups), resources are unreserved, and a framework has one
role that counts. tests/contract holds both clusters to the same claims; where they differ, this one is wrong.

Who may talk to it
------------------
Whoever can speak to a master or to an agent can run commands as the user who started it, and "127.0.0.1 only" keeps
other machines out, but not the other users of this one. So:

- Everything listens on 127.0.0.1 and nowhere else, and every connection is checked against the kernel's table of
  sockets (/proc/net/tcp): the other end has to belong to the same user, or to root. That needs nothing of the client,
  so it covers executors, which have no means to authenticate in pymesos, and a plain `makeflow -T mesos`, which knows
  only HOST:PORT. It cannot be turned off.
- A credential on top (Basic authentication, as a real master with --authenticate_http_frameworks asks for it) guards
  the master: scheduler and operator API, /state and /slaves. `--master local` always makes a random one and passes it
  in a file of mode 0600, so a process of the same user that merely guesses the port cannot use the cluster. The
  foreground `mfmesos cluster` takes --secret-file; without it, it says so in one line when it starts, since makeflow
  itself cannot send a credential.
- /files serves what lies in the agent's own sandboxes; a symlink out of them leads nowhere.
- Faults on demand are there for tests and off unless asked for.
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
