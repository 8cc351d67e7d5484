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

# --- layers ---
BAD_PORTS = Message(
    "bad-ports", "{value} is no range of ports; {cure}", "--ports, or `ports` of a settings file.",
    "write FIRST-LAST, as in 40000-40100: two ports at least, 65535 at most")
LAYER_UNREADABLE = Message(
    "layer-unreadable", "{path}: cannot read these settings ({why}); {cure}",
    "A file with settings is not readable, or is not TOML.", "correct the file or its permissions")
SETTING_UNKNOWN = Message(
    "setting-unknown", "{path}: unknown setting {key!r}; {cure}", "Settings are named after the long options.",
    "the nearest is {nearest!r}; see mfmesos config")
KEY_NOT_FOR_FOLDERS = Message(
    "key-not-for-folders", "{path}: the file of a workflow's folder may not set {key}; {cure}",
    "A workflow may come from somebody else: its file must not name hosts, users, secrets, files or commands.",
    "set it in ~/.config/mfmesos/config.toml, or give the option")
LIMITS_NO_TABLE = Message(
    "limits-no-table", "{path}: limits is not a table; {cure}", "The site's file is wrong.",
    "write [limits] and lines such as max-cores = 64")
BEYOND_LIMIT = Message(
    "beyond-limit", "{source}: {key} is {value}, but the site's limit is {limit} ({site})",
    "The site bounds this setting for all runs of mfmesos.")
LAYER_VALUE_BAD = Message(
    "layer-value-bad", "{source}: {key}: {why}", "The value is not one that the option takes.")
NOT_A_SWITCH = Message("not-a-switch", "{value!r} is neither true nor false", "Part of layer-value-bad.")
NOT_A_LIST = Message("not-a-list", "{value!r} is not a list", "Part of layer-value-bad.")
NOT_A_VALUE = Message("not-a-value", "{value!r} is not a number or a text", "Part of layer-value-bad.")
