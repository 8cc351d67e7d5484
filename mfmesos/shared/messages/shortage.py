"""Messages of mfmesos/core/shortage.py: tasks wait, and the cluster offers nothing that is large enough."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

NOTHING_OFFERED = Message(
    "nothing-offered",
    "{tasks}: the cluster has offered nothing large enough; who holds its agents is not visible, because the master "
    "does not list them",
    "No offer can hold a waiting task, and the master does not show this user its agents and frameworks.")
NO_AGENTS = Message(
    "no-agents", "{tasks}: the cluster has no agent that could offer anything",
    "No agent is registered and active, or the master hides them.")
NOTHING_LARGE_ENOUGH = Message(
    "nothing-large-enough",
    "{tasks}: the cluster offers nothing large enough; of its {total}, {holders}{unoffered}",
    "Others hold the agents, or the agents with room are not offered. The line says who holds what.")
HOLDS = Message("holds", "{holder} holds {amount}", "Part of nothing-large-enough: a framework and what it uses.")
OTHERS_HOLD = Message(
    "others-hold", "others hold {amount}", "Part of nothing-large-enough: frameworks that are not named.")
NOBODY_HOLDS = Message("nobody-holds", "nothing is in use", "Part of nothing-large-enough: the agents are empty.")
MORE_RESERVED = Message(
    "more-reserved", "more is reserved for role {role}", "Part of nothing-large-enough: resources of another role.")
AVOIDED = Message(
    "room-avoided", "; agent {agent} has room, but is avoided after failures",
    "Part of nothing-large-enough: see agent-avoided.")
SHUNNED = Message(
    "room-shunned",
    "; agent {agent} has room, but these tasks failed there and wait for another agent for up to {pause:.0f} s",
    "Part of nothing-large-enough: a task prefers agents where it has not failed.")
HAS_GPUS = Message(
    "room-has-gpus",
    "; agent {agent} has room, but also has GPUs, and Mesos offers such agents only to runs with tasks that request "
    "GPUs",
    "Part of nothing-large-enough: agents with GPUs are not offered to this run.")
NOT_OFFERED = Message(
    "room-not-offered",
    "; agent {agent} has room, but the master does not offer it (another framework holds the offer, or a quota limits "
    "this run)",
    "Part of nothing-large-enough: Mesos offers each resource to one framework at a time.")
THIS_RUN = Message("holder-this-run", "this run itself", "Part of nothing-large-enough: claims of this run.")
HOLDER_DEAD = Message(
    "holder-dead",
    "{name} (its scheduler has died or is cut off: its executors end by themselves within 1 to 15 minutes, or at once "
    "with `mfmesos clean` in its folder)",
    "Part of nothing-large-enough: another run of mfmesos has left its executors behind.")
HOLDER_DISCONNECTED = Message(
    "holder-disconnected", "{name} (not connected)",
    "Part of nothing-large-enough: a framework that has lost the master.")
ONE_WAITS = Message("one-task-waits", "1 task waits", "Part of other messages.")
SOME_WAIT = Message("tasks-wait", "{count} tasks wait", "Part of other messages.")
