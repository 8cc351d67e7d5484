"""Messages of mfmesos/core/shortage.py: tasks wait, and the cluster offers nothing that is large enough."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

SHORTAGE_NOTHING_OFFERED = Message(
    "shortage-nothing-offered",
    "{tasks}: the cluster has offered nothing large enough, and the master does not show who holds its agents",
    "No offer can hold a waiting task, and the master does not show this user its agents and frameworks.")
SHORTAGE_NO_AGENTS = Message(
    "shortage-no-agents", "{tasks}: the cluster has no active agent",
    "No agent is registered and active, or the master hides them.")
SHORTAGE_NOTHING_LARGE_ENOUGH = Message(
    "shortage-nothing-large-enough",
    "{tasks}: the cluster offers nothing large enough; of its {total}, {holders}{unoffered}",
    "Others hold the agents, or the agents with room are not offered. The line names the holders.")
SHORTAGE_HOLDS = Message(
    "shortage-holds", "{holder} holds {amount}", "Part of shortage-nothing-large-enough: a framework and what it uses.")
SHORTAGE_OTHERS_HOLD = Message(
    "shortage-others-hold", "others hold {amount}",
    "Part of shortage-nothing-large-enough: frameworks that are not named.")
SHORTAGE_NOBODY_HOLDS = Message(
    "shortage-nobody-holds", "nothing is in use", "Part of shortage-nothing-large-enough: the agents are empty.")
SHORTAGE_MORE_RESERVED = Message(
    "shortage-more-reserved", "more is reserved for role {role}",
    "Part of shortage-nothing-large-enough: resources of another role.")
SHORTAGE_AVOIDED = Message(
    "shortage-avoided", "; agent {agent} has room, but is avoided after failures",
    "Part of shortage-nothing-large-enough: see agent-avoided.")
SHORTAGE_SHUNNED = Message(
    "shortage-shunned",
    "; agent {agent} has room, but these tasks failed there and wait for another agent for up to {pause:.0f} s",
    "Part of shortage-nothing-large-enough: a task prefers agents where it has not failed.")
SHORTAGE_EXCLUDED = Message(
    "shortage-excluded", "; agent {agent} has room, but a manager has blocked this host for its workers",
    "Part of shortage-nothing-large-enough: a manager of Work Queue or TaskVine accepts no worker from the host.")
SHORTAGE_HAS_GPUS = Message(
    "shortage-has-gpus",
    "; agent {agent} has room, but also has GPUs, and Mesos offers such agents only to runs with tasks that request "
    "GPUs",
    "Part of shortage-nothing-large-enough: agents with GPUs are not offered to this run.")
SHORTAGE_NOT_OFFERED = Message(
    "shortage-not-offered",
    "; agent {agent} has room, but the master does not offer it (another framework holds the offer, or a quota limits "
    "this run)",
    "Part of shortage-nothing-large-enough: Mesos offers each resource to one framework at a time.")
SHORTAGE_THIS_RUN = Message(
    "shortage-this-run", "this run itself", "Part of shortage-nothing-large-enough: claims of this run.")
SHORTAGE_HOLDER_DEAD = Message(
    "shortage-holder-dead",
    "{name} (its scheduler has died or is cut off: its executors end by themselves within 1 to 15 minutes, or at once "
    "with `mfmesos clean` in its folder)",
    "Part of shortage-nothing-large-enough: another run of mfmesos has left its executors behind.")
SHORTAGE_HOLDER_DISCONNECTED = Message(
    "shortage-holder-disconnected", "{name} (not connected)",
    "Part of shortage-nothing-large-enough: a framework that has lost the master.")
SHORTAGE_ONE_WAITS = Message("shortage-one-waits", "1 task waits", "Part of other messages.")
SHORTAGE_SOME_WAIT = Message("shortage-some-wait", "{count} tasks wait", "Part of other messages.")
