"""The doctor's check of GPUs: which agents have some, and whether the kernel keeps tasks off each other's there."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mfmesos.shared.messages import doctor as m

ISOLATOR = "gpu/nvidia"
MOST_ASKED = 10
"""Agents; clusters have many alike."""


def gpus(listed: Sequence[Mapping[str, Any]], get_json: Callable[[str], Any],
         why: Callable[[Exception], str]) -> tuple[bool | None, tuple[str, str]] | None:
    """Whether GPUs are isolated (None: a note), with text and cure; None without GPUs. `listed`: the master's agents;
    `why`: describes an error.
    """
    agents = [agent for agent in listed if agent.get("active", True) and agent["resources"].get("gpus")]
    if not agents:
        return None
    number = sum(agent["resources"]["gpus"] for agent in agents)
    for agent in agents[:MOST_ASKED]:
        host = agent.get("hostname", "unknown")
        try:
            name, _, address = agent["pid"].partition("@")
            isolation = get_json(f"http://{address}/{name}/flags")["flags"]["isolation"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            return None, m.GPUS_UNKNOWN.parts(gpus=number, agents=len(agents), host=host, why=why(e))
        if ISOLATOR not in isolation.split(","):
            return None, m.GPUS_ADVISORY.parts(gpus=number, agents=len(agents), host=host)
    return True, m.GPUS_STRICT.parts(gpus=number, agents=len(agents))
