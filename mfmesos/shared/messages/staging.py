"""Messages of mfmesos/staging: inputs that are served, outputs that are received and published. Those of a damaged
stream, and refusals that only executors read, are in streams.py."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_OUTSIDE = "Outputs are published only inside the workflow's folder, so that no task can write elsewhere."

# --- names of outputs ---
OUTPUT_NOT_A_NAME = Message(
    "output-not-a-name", "output {name!r} is not a file name", "The name is empty or contains a NUL.",
    "correct the name")
OUTPUT_OUTSIDE = Message(
    "output-outside", "output {name} lies outside of the workflow's folder {workdir}; {cure}", _OUTSIDE,
    "name it relative to that folder")
OUTPUT_RESERVED = Message(
    "output-reserved", "output {name} has a name that mfmesos uses itself; {cure}",
    "The run keeps its own files under that name.", "choose another one")
OUTPUT_OWN_FILE = Message(
    "output-own-file", "output {name} is the workflow's own file, which no task may write; {cure}",
    "The name is that of the task file or the workflow.", "choose another name")
OUTPUT_PART_TOO_LONG = Message(
    "output-part-too-long", "output {name}: a part of its path is longer than {limit} bytes; {cure}",
    "File systems limit the length of each name.", "choose a shorter one")
OUTPUT_PATH_TOO_LONG = Message(
    "output-path-too-long", "output {name}: its path is longer than {limit} bytes; {cure}",
    "Linux limits the length of a path.", "choose a shorter one")
OUTPUT_IN_THE_WAY = Message(
    "output-in-the-way", "output {name}: {path} is in the way: it is not a folder; {cure}",
    "The output needs a folder where a file already exists.", "move it away")
OUTPUT_LINK_OUTSIDE = Message(
    "output-link-outside",
    "output {name}: {path} is a symbolic link that leads out of the workflow's folder; outputs are published only in "
    "it",
    _OUTSIDE, "name an output inside the folder")
BAD_ATTEMPT_ID = Message("bad-attempt-id", "{id!r} is not the id of an attempt", "A bug, or a hostile executor.")

# --- outputs that arrive ---
OUTPUTS_DAMAGED = Message(
    "outputs-damaged", "its outputs arrived damaged: {why}",
    "The stream from the executor is not valid. The task runs again.")
OUTPUTS_NOT_RECEIVED = Message(
    "outputs-not-received", "its outputs were never delivered", "The executor reported the task's end without them.")
OUTPUT_NOT_DELIVERED = Message(
    "output-not-delivered", "output {name} was not delivered", "The executor reported the task's end without it.")
OUTPUTS_NOT_STORED = Message(
    "outputs-not-stored", "its outputs could not be stored in {folder}", "The system's reason follows.")
OUTPUTS_LARGER_THAN_DISK = Message(
    "outputs-larger-than-disk",
    "the outputs need {needed} MB, more than the whole disk of the workflow's folder could hold ({most} MB)",
    "The task's outputs can never be stored there.", "use a workflow folder on a larger disk")
OUTPUTS_WITHOUT_SPACE = Message(
    "outputs-without-space",
    "the outputs need {needed} MB, but the disk of the workflow's folder has {free} MB left",
    "The task waits until space is available.", "free some space")

# --- outputs that are published ---
OUTPUT_LARGER_THAN_DISK = Message(
    "output-larger-than-disk",
    "output {name} takes {needed} MB, more than the whole disk of {folder} holds ({most} MB)",
    "The output can never be stored there.", "use a workflow folder on a larger disk")
OUTPUT_NOT_PUBLISHED = Message(
    "output-not-published", "output {name} could not be published", "The system's reason follows.")
OUTPUT_VANISHED = Message(
    "output-vanished", "output {name} was received, but is gone from {folder}; was it removed?",
    "Somebody deletes files from the run's own folder.")
PATH_IN_THE_WAY = Message(
    "path-in-the-way", "{path} is in the way: it is not a folder; {cure}",
    "An output needs a folder where a file already exists.", "move it away")
PATH_LINK_OUTSIDE = Message(
    "path-link-outside",
    "{path} is a symbolic link that leads out of the workflow's folder; outputs are published only in it", _OUTSIDE,
    "name an output inside the folder")
LEADS_TO_OWN = Message(
    "leads-to-own", "{problem} ({name} leads to it)", "A link makes an output one of the run's own files.",
    "remove the link")
FOLDER_IN_THE_WAY = Message(
    "folder-in-the-way", "output {name} is a file, but a folder of that name is in {workdir}; {cure}",
    "A folder is never replaced by a file.", "move it away")
FILE_IN_THE_WAY = Message(
    "file-in-the-way", "output {name} is a folder, but a file of that name is in {workdir}; {cure}",
    "Another task's file is never replaced by a folder.", "move it away")

# --- inputs ---
INPUTS_MISSING = Message(
    "inputs-missing", "inputs missing: {names} (looked for in {workdir})", "The task's inputs do not exist.",
    "create the files, or correct their names")
INPUT_NOT_ASKED = Message(
    "input-not-asked", "input {name} is not available: {why}",
    "The scheduler asks the web server for the version of a file without a sha256 before its task starts.",
    "correct the URL, or give the input's sha256: then only agents need to reach the server")
INPUT_MISSING = Message(
    "input-missing", "input missing: {name} (looked for in {workdir})", "The task's input does not exist.",
    "create the file, or correct its name")
INPUT_TREE = Message("input-tree", "input {name}: {why}", "A folder that is an input cannot be sent.")
INPUT_UNREADABLE = Message(
    "input-unreadable", "input {name} cannot be read: {why} ({path}); {cure}",
    "This user may not read the file, or the file system failed.", "make it readable for you")
INPUT_GONE = Message(
    "input-gone", "input {name} no longer exists, or can no longer be read", "Somebody removed it during the run.",
    "put it back and run again")
INPUT_HAS_CHANGED = Message(
    "input-has-changed", "input {name} has changed since its task was submitted",
    "Somebody edited it during the run. Attempts never see two versions of one file.",
    "run again, and leave inputs alone during the run")
INPUT_LINK_OUTSIDE = Message(
    "input-link-outside",
    "input {name} is, or lies behind, a symbolic link that a task has made and that leads out of the workflow's "
    "folder; "
    "{cure}",
    "A task must not choose which of your other files are read.", "replace it by a copy")
INPUT_NOT_A_FILE = Message(
    "input-not-a-file", "input {name} is neither a file nor a folder (a device, pipe or socket)",
    "Only files and folders can be sent to agents.", "list only files and folders as inputs")
INPUT_WHOLE_FOLDER = Message(
    "input-whole-folder", "input {name} is the workflow's folder itself, or contains it; {cure}",
    "That would send the run's own files as well.", "name the files that the task needs")
INPUT_CHANGING = Message(
    "input-changing", "input {path} is changing while it is read; {cure}", "Something still writes to the file.",
    "wait until the program that writes to it has ended")
TREE_TOO_LARGE = Message(
    "tree-too-large", "it holds more than {most} files; {cure}", "Part of input-tree.", "pack them into an archive")
TREE_CYCLE = Message(
    "tree-cycle", "{name} is a symbolic link in a loop", "Part of input-tree.", "remove the link")
TREE_NOT_A_FILE = Message(
    "tree-not-a-file", "{name} in it is a device, pipe or socket; {cure}", "Part of input-tree.",
    "move it out of the folder")

# --- the server and the executor's archive ---
CANNOT_LISTEN = Message(
    "cannot-listen", "cannot listen on {host} port {port}: {why}",
    "The port is taken, or the address is not one of this machine. See --listen.",
    "choose another port or address with --listen")
PIP_INSTALL = Message("pip-install", "pip install {package}", "Part of other messages.")
REINSTALL = Message("reinstall", "it is part of mfmesos: install mfmesos again", "Part of other messages.")
INSTALL_HTTP_PARSER = Message(
    "install-http-parser", "install mfmesos's own (pure Python) http-parser from compat/http-parser",
    "Part of other messages.")
ARCHIVE_LACKS = Message(
    "archive-lacks", "the executor's archive needs the package {package}, which is not installed; {what_to_do}",
    "mfmesos packs the packages that executors need into one archive for the agents.")
ARCHIVE_LACKS_SIX = Message(
    "archive-lacks-six", "the executor's archive needs the module six, which is not installed; {cure}",
    "mfmesos packs the packages that executors need into one archive for the agents.", "pip install six")
PARSER_COMPILED = Message(
    "parser-compiled",
    "the installed http-parser is compiled for this Python alone and cannot run on the agents; {cure}",
    "Agents may have another Python or processor.", INSTALL_HTTP_PARSER.text)
