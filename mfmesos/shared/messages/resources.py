"""Messages about resources by name, and about GPUs."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

GPU_OUT = Message(
    "gpu-out", "GPU {gpu} on agent {agent} gets no tasks for now ({state}): {why}",
    "An executor reports that others use the GPU, that an earlier task is still on it, or that it has errors. Tasks "
    "use the other GPUs.")
ATTEMPT_WITHOUT_GPU = Message(
    "attempt-without-gpu", "others use its GPU", "Why an attempt did not start: it runs again, with another GPU.")
BEYOND_COUNTER = Message(
    "beyond-counter", "it needs {need:g} {name}, and the run has {total:g} (--counter {name}={total:g})",
    "A task asks for more of a counter than the settings say that there is.",
    "request less, or raise the counter")
RESOURCE_NOT_SPLIT = Message(
    "resource-not-split", "it needs {amount:g} {name}, which agents give out one by one; {cure}",
    "The resource is a set or a range of Mesos: its items cannot be shared.", "request a whole number of {name}")
WRITE_GPUS = Message(
    "write-gpus", "write a number of GPUs, such as 1, or a type with a number, such as \"a100:2\"",
    "The cure for a bad request for GPUs.")
GPUS_INVALID = Message(
    "gpus-invalid", "gpus is {value}",
    "GPUs are requested by their number, or by type and number.")
RESOURCE_BAD_PART = Message(
    "resource-bad-part", "{part} is not NAME=AMOUNT", "Part of other messages: why an option is refused.")
COUNTER_INVALID = Message(
    "counter-invalid", "{value} is no counter; write NAME=AMOUNT, for example licences=3",
    "An option or a setting is malformed.")
CATEGORY_RESOURCES_INVALID = Message(
    "category-resources-invalid",
    "{value}: {why}; write CATEGORY=NAME=AMOUNT, for example align=gpus=a100:1,licences=1",
    "An option or a setting is malformed.")
