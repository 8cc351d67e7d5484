"""Messages of mfmesos/settings: a run's settings and secrets."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

SETTINGS_UNREADABLE = Message(
    "settings-unreadable", "{path}: cannot read the scheduler's settings ({why}); {cure}",
    "The settings file that mfmesos wrote for its scheduler is missing, damaged, or of another version.",
    "delete this file and start the run again")
SETTINGS_OUT_OF_BOUNDS = Message(
    "settings-out-of-bounds", "{path}: {name} is {value}, but must be {bounds}; {cure}",
    "The settings file that mfmesos wrote for its scheduler was edited, or is of another version.",
    "delete this file and start the run again")
SECRET_EXPOSED = Message(
    "secret-exposed", "{path}: other users can read this secret; {cure}",
    "The file given with --secret-file is readable or writable by the group or by others.",
    "run chmod 600 {path}")
SECRET_UNREADABLE = Message(
    "secret-unreadable", "{path}: cannot read the secret ({why}); {cure}",
    "The file given with --secret-file does not exist, or this user may not read it.",
    "correct --secret-file or the permissions of the file")
