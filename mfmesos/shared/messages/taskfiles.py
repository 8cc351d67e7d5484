"""Messages of mfmesos/taskfiles: errors in a task file and in the dependencies between its tasks. They are
shown as FILE:LINE: message (cure)."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_LINE = 'a line is {{"command": "...", "inputs": ["..."], "outputs": ["..."]}}'
_RECORD = "a record is ID,COMMAND,INPUTS,OUTPUTS,CORES,MEMORY,DISK,submitted"
_NUL = "Neither commands nor file names can hold a NUL."

# --- any task file ---
ID_TWICE = Message(
    "id-twice", "task {task} is already on line {line}", "Two records have the same ID.",
    "give each task an ID of its own; this line is ignored")
MORE_MALFORMED = Message(
    "more-malformed", "{count} malformed lines so far; further ones are not shown",
    "Most of the file cannot be read as tasks.", "is this a task file?")
CANCEL_UNKNOWN = Message(
    "cancel-unknown", "task {task} is cancelled but was never submitted", "No earlier line submits that task.",
    "the line is ignored")

# --- JSON lines ---
LINE_TOO_LONG = Message(
    "line-too-long", "a line of more than {limit} MB", "The line is not read.", "put the command into a script")
CANCEL_FORM = Message(
    "cancel-form", "a line that cancels a task holds nothing but its ID", "The line has other keys, or no valid ID.",
    'write {{"cancel": ID}}')
KEY_MISSPELT = Message(
    "key-misspelt", "unknown key {key!r}", "The line has a key that mfmesos does not know.", "did you mean {near!r}?")
KEY_UNKNOWN = Message(
    "key-unknown", "unknown key {key!r}", "The line has a key that mfmesos does not know.", "the keys are {keys}")
COMMAND_EMPTY = Message(
    "command-empty", "the command is empty", "A task needs a command.", _LINE)
ID_NOT_WHOLE = Message(
    "id-not-whole", "the id {value} is not a whole number from 1 to {most}", "The line has an id that is not valid.",
    "leave out the id to have the tasks numbered")
NAMES_ONE_STRING = Message(
    "names-one-string", "{key} is one string, not a list", "Inputs and outputs are lists of names.",
    'write "{key}": [{value}], one string per name')
NAMES_NOT_LIST = Message(
    "names-not-list", "{key} is {value}, not a list", "Inputs and outputs are lists of names.",
    'write "{key}": ["NAME", "NAME"]')
OUTPUT_FORM = Message(
    "output-form", "the output {value} is no name", "An output is a name, or an object with just these two keys.",
    'write "NAME", or {{"name": "NAME", "temporary": true}}')
TEMPORARY_NESTED = Message(
    "temporary-nested", "the temporary output {name} and the output {other} lie in each other",
    "A temporary output is a file that stays on the agents; a folder of outputs is brought back as a whole.",
    "put it beside the other output")
TEMPORARY_IN_FOLDER = Message(
    "temporary-in-folder", "task {task} reads {name}, and task {maker} makes {temporary}, which is temporary",
    "A temporary output is not in the workflow's folder: only a task that names it finds it.",
    "name {temporary} itself among the inputs")
NAME_EMPTY = Message("name-empty", "an empty name in {key}", "A file must have a name.", "remove it")
NESTED_TOO_DEEPLY = Message(
    "nested-too-deeply", "brackets nested too deeply", "The line is not a task.", _LINE)
NOT_JSON_AT = Message(
    "not-json-at", "not JSON: {why} at column {column}", "The line has a syntax error.", _LINE)
NOT_JSON = Message(
    "not-json", "not JSON: {why}", "The line has a syntax error.", _LINE)
NOT_AN_OBJECT = Message(
    "not-an-object", "{value} is not an object", "Each line is one JSON object.", _LINE)
KEY_TWICE = Message("key-twice", "the key {key!r} appears twice", "Only one of them could count.", "write it once")
NO_JSON_NUMBER = Message(
    "no-json-number", "{name} is not a number in JSON", "NaN and Infinity are not JSON.", "write a number, or null")
KEY_MISSING = Message("key-missing", "no {key}", "The line lacks a key that a task needs.")
KEY_NOT_STRING = Message("key-not-string", "{key}: {value} is not a string", "The value must be text in quotes.")
KEY_NUL = Message("key-nul", "{key}: contains a NUL character, which is not allowed", _NUL, "remove it")
KEY_SURROGATE = Message(
    "key-surrogate", "{key}: contains half a surrogate pair, which is not a character",
    "An escape such as \\ud83d stands alone.", "write the character itself")
KEY_NOT_NUMBER = Message("key-not-number", "{key}: {value} is not a number", "A resource is requested as a number.")
KEY_OUT_OF_RANGE = Message(
    "key-out-of-range", "{key}: {value} is out of range", "No machine has that amount, or it is negative.")
RESOURCES_NOT_OBJECT = Message(
    "resources-not-object", "resources: {value} is not an object",
    "Resources besides cores, memory, disk and gpus are an object of names and numbers.",
    'write "resources": {{"NAME": NUMBER}}')
RESOURCE_HAS_KEY = Message(
    "resource-has-key", "resources: {name} has a key of its own",
    "Cores, memory, disk, GPUs and time are requested by keys of the task.", 'write "{key}": NUMBER beside "resources"')
RESOURCE_BAD_NAME = Message(
    "resource-bad-name", "resources: {name} is not a valid name of a resource",
    "A resource of Mesos is named by a letter, and up to 59 letters, digits, dots, hyphens and underscores.",
    'write "resources": {{"NAME": NUMBER}}')
ENV_NOT_OBJECT = Message(
    "env-not-object", "env: {value} is not an object", "Variables are an object of names and values.",
    'write "env": {{"NAME": "VALUE"}}')
ENV_BAD_NAME = Message(
    "env-bad-name", "env: {name} is not a valid name of a variable", "A name is not empty and has no equals sign.",
    'write "env": {{"NAME": "VALUE"}}')
ENV_KEY = Message("env-key", "env: {name}", "Part of other messages: which variable is meant.")
WRITE_LINE = Message("write-line", _LINE, "How a task is written.")
WRITE_NAMES = Message("write-names", 'write "{key}": ["NAME", "NAME"]', "How inputs and outputs are written.")
PRIORITY_INVALID = Message(
    "priority-invalid", "priority: {value} is not a valid number", "A priority is a number; higher ones start first.")
RETRIES_INVALID = Message(
    "retries-invalid", "retries: {value} is not a valid number",
    "How many times the task runs again after failures of its own.")
WRITE_RETRIES = Message("write-retries", 'write "retries": NUMBER, {bounds}', "How retries of one task are written.")
WRITE_PRIORITY = Message("write-priority", 'write "priority": NUMBER, {bounds}', "How a priority is written.")
PLACEMENT_INVALID = Message(
    "placement-invalid", "placement: {why}", "The task names where it starts by a policy that mfmesos does not have.")
WRITE_PLACEMENT = Message(
    "write-placement", 'write "placement": "NAME", as for --placement', "How a task's placement is written.")
WRITE_GROUP = Message("write-group", 'write "group": "NAME"', "How a group is written.")
CONSTRAINT_INVALID = Message(
    "constraint-invalid", "constraints: {value} is not a valid constraint",
    "A constraint is a list of an attribute of the agents, what is asked of it and, for most, a value.")
CONSTRAINT_COUNT = Message(
    "constraint-count", "constraints: {value}: max_per needs a whole number",
    "At most N tasks run on agents of one value.", 'write ["ATTRIBUTE", "max_per", NUMBER]')
CONSTRAINT_AMOUNT = Message(
    "constraint-amount", "{attribute}: {value} is not a valid amount",
    "A task takes a part of what an agent's attribute names, as long as the task runs.",
    'write "network_mbps": NUMBER or ["ATTRIBUTE", "takes", NUMBER], {bounds}')
CONSTRAINT_PATTERN = Message(
    "constraint-pattern", "constraints: {value} has an invalid regular expression: {why}",
    "The value of like and unlike is a regular expression of Python that must match the whole attribute.",
    "correct the expression")
WRITE_CONSTRAINT = Message(
    "write-constraint", 'write "constraints": [["ATTRIBUTE", "OP", "VALUE"]] with OP one of {ops}; unique and group_by '
    "have no value", "How a constraint is written.")
WRITE_CATEGORY = Message("write-category", 'write "category": "NAME"', "How a category is written.")
WRITE_NUMBER = Message(
    "write-number", 'write "{key}": NUMBER, a number without quotes, or leave it out', "How a request is written.")
WRITE_NUMBER_OF = Message(
    "write-number-of", 'write "{key}": NUMBER, a number of {unit} without quotes, or leave it out',
    "How a request is written.")
WRITE_ENV = Message("write-env", 'write "env": {{"NAME": "VALUE"}}', "How variables are written.")
WRITE_VALUE = Message("write-value", 'write the value in quotes: "8", not 8', "Values of variables are text.")

_URL = '{{"name": "NAME", "url": "https://...", "sha256": "..."}}'
_WRITE_URL = f"write {_URL}; the sha256 may be left out"
WRITE_URL = Message("write-url", _WRITE_URL, "How an input on a web server is written.")
URL_KEY_UNKNOWN = Message(
    "url-key-unknown", "an input has the unknown key {key!r}", "The line has a key that mfmesos does not know.",
    _WRITE_URL)
URL_SCHEME = Message(
    "url-scheme", "input {name}: a URL that begins with {scheme}: is not fetched",
    "Only http and https URLs are fetched. A file of this machine is given by its name alone.",
    'write "url": "https://...", or the name alone of a file of this machine')
URL_INVALID = Message(
    "url-invalid", "input {name}: its URL is not valid (the URL is not shown, since it may hold a password)",
    "The URL has no server, a blank, a backslash, or a port that is not a number.",
    'write "url": "https://SERVER/PATH"')
URL_BAD_SHA256 = Message(
    "url-bad-sha256", "input {name}: the sha256 {value} is not 64 hexadecimal digits", "The value is no sha256.",
    "write what `sha256sum FILE` prints, or leave it out")
URL_NAME_TWICE = Message(
    "url-name-twice", "{name!r} comes from a URL, and is named again as an input or output of the same task",
    "A task cannot have two files of one name.", "give one of them another name")
URL_NAME_FOLDER = Message(
    "url-name-folder", "{name!r} is the name of a folder, not of a file from a URL",
    "A file from a web server cannot take the place of the task's own folder.", "give it the name of a file")

# --- mesos_task_info ---
RECORD_TOO_LONG = Message(
    "record-too-long", "a record of more than {limit} MB", "The record is not read.", "put the command into a script")
RECORD_NUL = Message("record-nul", "a NUL byte, which is not allowed", _NUL, "remove it")
RECORD_NO_COMMAND = Message(
    "record-no-command", "task {task} has no command", "A task needs a command.", _RECORD)
AMOUNT_NEGATIVE = Message(
    "amount-negative", "{name} is {value}", "The amount is negative.",
    "write the amount that is needed, or -1 to have it estimated")
AMOUNT_TOO_LARGE = Message(
    "amount-too-large", "{name} is {value}, more than any machine has", "The amount is probably in another unit.",
    "memory and disk are in MB")
NOT_A_RECORD = Message(
    "not-a-record", "not a record: {record!r}", "The line has no comma.", _RECORD)
ID_NOT_NUMBER = Message(
    "id-not-number", "the ID {id!r} is not a number", "A record begins with an ID.", _RECORD)
ID_NOT_POSITIVE = Message(
    "id-not-positive", "the ID {id!r} is not a positive whole number", "A record begins with an ID.",
    "IDs count up from 1")
ID_TOO_LARGE = Message(
    "id-too-large", "the ID {id!r} is too large", "makeflow reads IDs as 32-bit numbers.", "IDs go from 1 to {most}")
CANCEL_RECORD = Message(
    "cancel-record", "task {task}: a cancellation has nothing between its commas", "The record is ambiguous.",
    "write {task},,,,,,,aborting")
RECORD_NOT_ENDED = Message(
    "record-not-ended", "task {task}: the record does not end with ,submitted", "The record is incomplete.", _RECORD)
RECORD_FIELDS = Message(
    "record-fields", "task {task}: {count} fields after the ID instead of 7", "The record is incomplete.", _RECORD)
RECORD_NOT_NUMBER = Message(
    "record-not-number", "task {task}: {name} is {value!r}, not a number", "A request is not a number.",
    "write a number, or -1 to request nothing; memory and disk are in MB")
RECORD_UNREADABLE = Message(
    "record-unreadable", "task {task}: cannot be read", "The record has the wrong form.", _RECORD)
NAME_NOT_WRITABLE = Message(
    "name-not-writable", "task {task}: {name!r} cannot be written to a task file; {cure}",
    "Names in mesos_task_info have no blanks, commas or line ends.", "use JSON lines")
COMMAND_NOT_WRITABLE = Message(
    "command-not-writable", "task {task}: its command cannot be written to a task file",
    "The command is empty or contains a NUL.")

# --- tasks that need each other ---
PLANNED_TWICE = Message(
    "planned-twice", "task {task} is already on line {line}", "Two tasks have the same ID.",
    "give each task an id of its own")
OWN_INPUT = Message(
    "own-input", "task {task} makes {name!r}, which is also its input", "A task cannot replace its own input.",
    "give the output another name")
MADE_TWICE = Message(
    "made-twice", "task {task} makes {name!r}, which task {other} on line {line} makes as well",
    "Two tasks have the same output.", "give each output a name of its own")
MADE_AS_FILE = Message(
    "made-as-file", "task {task} makes {name!r}, but task {other} makes {outer!r} as a file",
    "One task makes a file where another makes a folder.")
MADE_INSIDE = Message(
    "made-inside",
    "task {task} makes {name!r}, and task {other} makes {inner!r} in it: each task replaces only its own files",
    "A task makes files in a folder that is another task's output. That works, but may not be intended.")
INPUT_NOT_MADE = Message(
    "input-not-made", "task {task} needs {name!r}, which does not exist and which no task makes",
    "An input is missing, or its name is misspelt.", "create the file, or add the task that makes it")
INPUT_NOT_MADE_FOR_MANY = Message(
    "input-not-made-for-many",
    "task {task} (and {others} more) needs {name!r}, which does not exist and which no task makes",
    "An input is missing, or its name is misspelt.", "create the file, or add the task that makes it")
CYCLE = Message(
    "cycle", "a cycle: task {task} {steps}{more}", "Tasks wait for each other, so that none can ever start.",
    "remove one of these inputs")
CYCLE_STEP = Message("cycle-step", "needs {name!r} from task {task} on line {line}", "Part of cycle.")
CYCLE_MORE = Message("cycle-more", ", and so on through {others} more tasks", "Part of cycle: it is long.")
NEEDS_UNMADE = Message("needs-unmade", "needs {name}, which task {task} {why}", "Part of task-blocked.")
FAILED_TO_MAKE = Message("failed-to-make", "failed to make", "Part of task-blocked: the other task has failed.")
NOT_MADE_CANCELLED = Message("not-made-cancelled", "did not make because it was cancelled", "Part of task-blocked.")
CANNOT_MAKE = Message("cannot-make", "cannot make", "Part of task-blocked: the other task cannot run either.")
CANNOT_MAKE_ITSELF = Message(
    "cannot-make-itself", "cannot make because it needs itself", "Part of task-blocked: the other task is in a cycle.")
CANNOT_MAKE_AFTER = Message(
    "cannot-make-after", "cannot make because task {task} failed", "Part of task-blocked: the first task that failed.")

# --- state file, watches and makeflow's log ---
STATE_BAD_ID = Message("state-bad-id", "{value!r} is not the ID of a task", "A bug: please report it.")
STATE_NOT_SUBMITTED = Message(
    "state-not-submitted", "task {task} was never submitted; a line for it would crash makeflow",
    "A bug: please report it.")
STATE_TWICE = Message(
    "state-twice", "task {task} already has its line; {state!r} is not written", "A bug: please report it.")
STATE_CLOSED = Message("state-closed", "{path}: closed", "A bug: please report it.")
STATE_BACKLOG = Message(
    "state-backlog", "{path}: earlier lines could not be written yet; {cure}",
    "The disk of the workflow's folder is full.",
    "free space there")
WATCH_POLLS = Message(
    "watch-polls", "{folder}: this file system does not report changes; checking every {pause} s",
    "On NFS and similar file systems, changes are found only by looking.")
WATCH_UNAVAILABLE = Message(
    "watch-unavailable", "{folder}: no notification of changes ({why}); checking every {pause} s ({cure})",
    "The limit of inotify watches is reached, or watches do not work there.",
    "raise fs.inotify.max_user_watches or max_user_instances if they are too low")
WORKFLOW_INVALID = Message(
    "workflow-invalid", "{name}: not a valid workflow, for the reason above",
    "makeflow could not load the workflow and has printed why.", "correct the workflow")
WORKFLOW_NOTICE = Message("workflow-notice", "{name}: {notice}", "makeflow could not load the workflow.")
NOT_A_REGULAR_FILE = Message(
    "not-a-regular-file", "not a regular file", "Part of log lines: a task file is something else.")
