"""Messages of mfmesos/staging about damaged streams (mostly part of outputs-damaged), and its refusals to executors."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_DAMAGED = "Part of outputs-damaged."
_REFUSED = "The server's answer to an executor; it reaches the user in the executor's log, or as part of a reason."

# --- members of a stream ---
MEMBER_TWICE = Message(
    "member-twice", "{name} appears twice", _DAMAGED)
MEMBER_TWO_KINDS = Message(
    "member-two-kinds", "{name} appears twice, or as a file and as a folder", _DAMAGED)
MEMBER_NAME_TOO_LONG = Message(
    "member-name-too-long", "the name {name} is too long for this file system", _DAMAGED)
MEMBER_OUTSIDE = Message(
    "member-outside", "{name} is not a name below the task's folder", _DAMAGED)
MEMBER_TOO_DEEP = Message(
    "member-too-deep", "{name} is nested more than {most} folders deep", _DAMAGED)
MEMBER_UNDECLARED = Message(
    "member-undeclared", "{name} is not a declared output", _DAMAGED)
MEMBER_MISSING = Message(
    "member-missing", "output {name} is not among what was delivered", _DAMAGED)
MEMBER_LINK_ITSELF = Message(
    "member-link-itself", "output {name} is a symbolic link itself", _DAMAGED)
MEMBER_LINK_OUTSIDE = Message(
    "member-link-outside", "output {name} is a symbolic link that leads out of the workflow's folder (to {target})",
    "A task must not publish links to your other files.", "copy the file instead of linking to it")
RECEIVING_ENDED = Message(
    "receiving-ended", "the transfer was abandoned", _DAMAGED)
KIND_HARD_LINK = Message("kind-hard-link", "a hard link", "Part of member-kind.")
KIND_DEVICE = Message("kind-device", "a device", "Part of member-kind.")
KIND_PIPE = Message("kind-pipe", "a named pipe", "Part of member-kind.")
KIND_SPARSE = Message("kind-sparse", "a sparse file", "Part of member-kind.")
KIND_GLOBAL_HEADER = Message("kind-global-header", "a global header", "Part of member-kind.")
KIND_UNKNOWN = Message("kind-unknown", "of an unknown kind", "Part of member-kind.")
MEMBER_KIND = Message(
    "member-kind", "{name} is {kind}, not a file or a folder", _DAMAGED)
MEMBER_SIZE = Message(
    "member-size", "the size of {name} is not a number", _DAMAGED)
MEMBER_SPARSE = Message(
    "member-sparse", "{name} is a sparse file, not a plain one", _DAMAGED)
MEMBER_FOLDER_NAME = Message(
    "member-folder-name", "{name} is a file with the name of a folder", _DAMAGED)
MEMBER_NO_TARGET = Message(
    "member-no-target", "{name} is a symbolic link without a valid target", _DAMAGED)
MEMBER_ZERO_BYTE = Message(
    "member-zero-byte", "a name contains a zero byte", _DAMAGED)
MEMBER_NO_NAME = Message(
    "member-no-name", "a member has no valid name", _DAMAGED)

# --- the stream itself ---
HEADER_NOT_NUMBER = Message(
    "header-not-number", "a header's {what} is not a number", _DAMAGED)
HEADER_NEGATIVE = Message(
    "header-negative", "a header's {what} is negative", _DAMAGED)
HEADER_PAX = Message(
    "header-pax", "a pax header is damaged", _DAMAGED)
HEADER_HOLES = Message(
    "header-holes", "the holes of a sparse file are damaged", _DAMAGED)
HEADER_CHECKSUM = Message(
    "header-checksum", "a header is damaged (its checksum is wrong)", _DAMAGED)
HEADER_SIZE = Message(
    "header-size", "a header has a size of {size} bytes", _DAMAGED)
HEADER_ALONE = Message(
    "header-alone", "a header without its member", _DAMAGED)
STREAM_ENDED_EARLY = Message(
    "stream-ended-early", "the stream stopped before its end", _DAMAGED)
STREAM_AFTER_END = Message(
    "stream-after-end", "data follows the end mark", _DAMAGED)
STREAM_NOT_TAR = Message(
    "stream-not-tar", "this is not a tar stream", _DAMAGED)

# --- refusals to executors ---
CLAIM_IS_CLOSED = Message(
    "claim-is-closed", "the claim is closed", _REFUSED)
SCHEDULER_STARTING = Message(
    "scheduler-starting", "the scheduler is starting", _REFUSED)
SCHEDULER_ENDING = Message(
    "scheduler-ending", "the scheduler is ending", _REFUSED)
REQUEST_FAILED = Message(
    "request-failed", "the scheduler failed to handle the request; {cure}", _REFUSED, "see its log")
SYNC_OUTDATED = Message(
    "sync-outdated", "a newer sync of this claim has arrived", _REFUSED)
REQUEST_TOO_SLOW = Message(
    "request-too-slow", "the request arrived too slowly", _REFUSED)
REQUEST_TOO_LARGE = Message(
    "request-too-large", "the request is too large", _REFUSED)
FETCH_SINGLY = Message(
    "fetch-singly", "not a small file: it is sent alone", _REFUSED)
NO_SUCH_ATTEMPT = Message(
    "no-such-attempt", "the claim has no such attempt, or no longer has it", _REFUSED)
CLIENT_TOO_SLOW = Message(
    "client-too-slow", "the client is too slow", _REFUSED)
NOT_AN_INPUT = Message(
    "not-an-input", "not an input of a running attempt of this claim", _REFUSED)
NO_DESCRIPTORS = Message(
    "no-descriptors", "no file descriptor is free at the moment", _REFUSED)
INPUT_LOST = Message(
    "input-lost", "input {name} can no longer be read", _REFUSED)
PERMIT_WITHDRAWN = Message(
    "permit-withdrawn", "the attempt's permit was withdrawn meanwhile", _REFUSED)
OUTPUTS_TOO_SLOW = Message(
    "outputs-too-slow", "the outputs arrived too slowly, or not at all", _REFUSED)
SANDBOX_NOT_WANTED = Message(
    "sandbox-not-wanted", "this run keeps no sandboxes of failed tasks", "The request is not an executor's.")
SANDBOX_TOO_LARGE = Message(
    "sandbox-too-large", "the sandbox is larger than --keep-failed allows", "The request is not an executor's.")
TEMPORARY_NOT_EXPECTED = Message(
    "temporary-not-expected", "no copy of that temporary output is needed now",
    "An executor sends a copy for which nobody asks any more.")
TEMPORARY_SIZE = Message(
    "temporary-size", "the copy of a temporary output has another size than was announced",
    "The executor's copy was damaged, or the request is not an executor's.")
TEMPORARY_DAMAGED = Message(
    "temporary-damaged", "the copy of a temporary output arrived damaged",
    "The content does not have the digest that was announced.")
TEMPORARY_NO_ROOM = Message(
    "temporary-no-room", "no space for a copy of a temporary output in the workflow's folder",
    "A task elsewhere needs a temporary output, and the disk of the workflow's folder is full; the copy comes later.",
    "free disk space")
TEMPORARY_AWAY = Message(
    "temporary-away", "no copy of the temporary output is with the scheduler",
    "Its claim has lost it; the task that makes it runs again.")
