"""The configuration file of cctools' factories (-C of work_queue_factory and vine_factory), in pool.json's keys."""
from __future__ import annotations

from typing import Any

PROJECT = {"min-workers": "min", "max-workers": "max", "tasks-per-worker": "tasks_per_worker",
           "workers-per-cycle": "workers_per_cycle"}
POOL = {"timeout": "idle", "factory-timeout": "factory_timeout", "worker-extra-options": "extra_options",
        "transfer-port": "transfer_port", "foremen-name": "foremen"}
SIZE = ("cores", "memory", "disk", "gpus")
NAMES = ("manager-name", "master-name")
WITHOUT_EFFECT = ("autosize", "factory-name", "condor-requirements")
"""The pool sizes workers by its agents; the last is for HTCondor."""
ALL = {*PROJECT, "capacity", "workers-blocked", *POOL, *SIZE, *NAMES, *WITHOUT_EFFECT}


def is_one(given: Any) -> bool:
    """Whether it is a factory's file and not a pool.json."""
    return isinstance(given, dict) and "projects" not in given and bool(
        {*PROJECT, *NAMES, "worker-extra-options", "factory-name", "workers-blocked"} & given.keys()
        or set(SIZE) & given.keys())


def translated(given: dict[str, Any]) -> dict[str, Any]:
    """In pool.json's keys; keys that the pool does not know stay, so that they are refused by name."""
    its: dict[str, Any] = {ours: given[key] for key, ours in PROJECT.items() if key in given}
    if "capacity" in given:
        its["capacity"] = bool(given["capacity"])
    size = {key: given[key] for key in SIZE if given.get(key)}
    if size:
        its["worker"] = size
    result: dict[str, Any] = {ours: given[key] for key, ours in POOL.items() if key in given}
    if "workers-blocked" in given:
        result["workers_blocked"] = str(given["workers-blocked"]).replace(",", " ").split()
    result.update({key: value for key, value in given.items() if key not in ALL})
    projects = [given[key] for key in NAMES if given.get(key)]
    if projects:
        result["projects"] = {str(project): its for project in projects}
    if its:  # also of the foremen
        result["defaults"] = its
    return result
