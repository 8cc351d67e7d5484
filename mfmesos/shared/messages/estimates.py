"""Messages of mfmesos/estimates: the reasons of estimates, as `mfmesos estimates` shows them."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

DECLARED_AT_FIRST = Message(
    "declared-at-first", "the declared amount, since no task of the category has ended yet",
    "Nothing has been measured, so the next task gets what its request declares.")
DEFAULT_AT_FIRST = Message(
    "default-at-first", "the default, since no task of the category has ended yet",
    "Nothing has been measured and nothing is declared.")
DECLARED_STILL = Message(
    "declared-still", "the declared amount, since {samples} not justify less",
    "Too few tasks have ended to allocate less than the request declares.")
CAUTIOUS_STILL = Message(
    "cautious-still", "a cautious amount, since {samples} not justify less",
    "Too few tasks have ended to allocate only what they used.")
OWN_PEAKS = Message(
    "own-peaks", "the last peaks of this command{margin}; {tasks}",
    "The very same command ran before, and its own peaks predict best.")
RETRY_BUDGET_INVALID = Message(
    "retry-budget-invalid", "--retry-budget {value:g}: {cure}", "The budget is retries in 100 tasks.",
    "give a number above 0, at most 100")
NO_SUCH_RESOURCE = Message(
    "no-such-resource", "no such resource: {resource}", "Estimates exist for memory, disk, cores and wall time.")
ROW_WITHOUT_TIMES = Message(
    "row-without-times", "row {row} has no start or end", "A causal replay needs the times of every task.")
