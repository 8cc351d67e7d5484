"""Messages of the pool: mfmesos/engines/pool_*.py, catalog.py, manager.py, survey.py, and mfmesos/shares."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- what a running pool reports ---
TOOK_OVER = Message(
    "pool-took-over", "took over {workers} of the scheduler before this one",
    "The scheduler was started again; workers were not interrupted.")
MANAGER_FOUND = Message(
    "manager-found", "{manager}: found a manager with {tasks}", "A manager of a served project has appeared.")
MANAGER_GONE = Message(
    "manager-gone", "{manager}: the manager is gone", "The manager has ended or cannot be found any longer.")
WORKER_FAILED = Message(
    "worker-failed", "{project}: worker {worker} failed: {why}{more}", "A worker ended with an error.")
WORKER_FAILED_ON = Message(
    "worker-failed-on", "{project}: worker {worker} failed on {host}: {why}{more}", "A worker ended with an error.")
WORKER_ENDED = Message(
    "worker-ended-at-once", "a worker ended at once", "A worker ended before it had connected to its manager.")
WORKER_ENDED_ON = Message(
    "worker-ended-at-once-on", "a worker ended at once on {host}",
    "A worker ended before it had connected to its manager.")
SETTINGS_KEPT = Message(
    "pool-settings-kept", "{problem}; the previous settings stay in force",
    "pool.json has changed and is not valid. The pool continues with the last valid settings.")
SETTINGS_CHANGED = Message(
    "pool-settings-changed", "{path} has changed: now serving {projects}", "The new pool.json has taken effect.")
SOURCE_FAILED = Message(
    "pool-source-failed", "{problem}; existing workers are kept",
    "The catalog or the manager does not answer; the pool neither starts nor ends workers because of that.")
AND_OTHER = Message("pool-and-other", "{first} (and 1 other)", "Several records of the catalog were ignored.")
AND_OTHERS = Message("pool-and-others", "{first} (and {others} others)", "Several records of the catalog were ignored.")

# --- catalog and managers ---
CATALOG_STATUS = Message(
    "catalog-status", "{where}: HTTP {status} for /query.json; {cure}",
    "The server at that address does not behave as a catalog server.", "is it a catalog server?")
ANSWER_TOO_LARGE = Message(
    "answer-too-large", "{where}: its answer is larger than {limit} MB", "The answer is not plausible and is not read.")
NOT_ANSWERED = Message("not-answered", "{where}: {why}", "The catalog or manager cannot be reached.")
NO_ANSWER = Message("no-answer", "no answer within {timeout:g} s", "Part of other messages.")
RECORD_IGNORED = Message(
    "record-ignored", "{where}: record {number} is ignored: {why}", "A manager's record in the catalog is not valid.")
ANSWER_NOT_JSON = Message("answer-not-json", "{where}: its answer is not JSON ({why})", "The answer cannot be used.")
ANSWER_NOT_LIST = Message(
    "answer-not-list", "{where}: its answer is not a list of records", "The answer cannot be used.")
BAD_FIELD = Message("record-bad-field", "{name} is {value}", "Part of record-ignored: a field that is not valid.")
NO_HOST = Message(
    "record-no-host", "neither address nor name is a host ({address})", "Part of record-ignored: no usable address.")
NOBODY_LISTENS = Message(
    "manager-not-listening", "{where}: nothing is listening there", "The manager has ended, or the port is wrong.")
NO_PASSWORD_ASKED = Message(
    "manager-no-password", "{where}: it does not ask for a password, or is not a manager",
    "The pool has a password (--password), but what listens there does not use one.")
OTHER_PASSWORD = Message(
    "manager-other-password", "{where}: it has another password",
    "The password given with --password is not the manager's.")
PASSWORD_REJECTED = Message(
    "manager-password-rejected", "{where}: it does not accept the password",
    "The password given with --password is not the manager's.")
SILENT_MANAGER = Message(
    "manager-silent", "manager {manager}: it is running, but does not report what it needs; {cure}",
    "The manager has a password that the pool does not know, or is too busy to answer.",
    "if it has a password, name its file with --password")
OTHER_PROJECT = Message(
    "manager-other-project", "manager {manager}: its project {project} is not among those to serve",
    "The manager given with --manager has a project name that no setting matches.")

# --- pool.json and options ---
FILE_UNREADABLE = Message(
    "pool-file-unreadable", "{path}: it cannot be read ({why}); {cure}",
    "pool.json exists, but cannot be opened or is not text.", "correct it or remove it")
FILE_NOT_JSON = Message(
    "pool-file-not-json", "{path}: not JSON; {cure}", "pool.json has a syntax error.", "correct it")
FILE_NOT_JSON_AT = Message(
    "pool-file-not-json-at", "{path}:{line}: not JSON ({why} at column {column}); {cure}",
    "pool.json has a syntax error.", "correct it")
BAD_KEY = Message("pool-bad-key", "{path}:{line}: {problem}", "A setting in pool.json is not valid.")
WRITE_PROJECTS = Message(
    "pool-write-projects", 'write {{"NAME": {{"max": 10}}}}', "How projects are written in pool.json.")
WRITE_BOOLEAN = Message("pool-write-boolean", "write true or false", "How a switch is written in pool.json.")
WRITE_STRING = Message("pool-write-string", "write one string", "How a text is written in pool.json.")
WRITE_OBJECT = Message("pool-write-object", "write an object with {keys}", "How an object is written in pool.json.")
BAD_PATTERN = Message(
    "pool-bad-pattern", "not a regular expression ({why})", "Names of projects are regular expressions.")
UNKNOWN_KEY = Message(
    "pool-unknown-key", "unknown; the keys are {keys}", "pool.json has a key that mfmesos does not know.")
MISSPELT_KEY = Message(
    "pool-misspelt-key", "unknown; did you mean {near!r}?", "pool.json has a key that mfmesos does not know.")
MIN_OVER_MAX = Message("pool-min-over-max", "more than max ({max})", "A project's min is larger than its max.")
SIZE_MISSING = Message(
    "pool-size-missing", '{key} is missing; write {{"cores": 4, "memory": 4000, "disk": 8000}} (MB)',
    "A worker's size needs cores, memory and disk.")
NOT_WHOLE = Message("pool-not-whole", "{value!r} is not a whole number", "A number of workers is whole.")
NOT_IN_BOUNDS = Message(
    "pool-out-of-bounds", "{value!r} is not a number from {least:g} to {most:g}", "A number is out of range.")

# --- the worker program ---
NO_PROGRAM = Message(
    "worker-not-found", "no {name} on PATH; {cure}", "The program that works for the manager is not installed.",
    "install Debian's coop-computing-tools, or name another worker with --worker")
BAD_PROGRAM = Message(
    "worker-wrong-machine", "{program}: not a program for this machine; {cure}", "The worker is not an ELF program.",
    NO_PROGRAM.cure)
PROGRAM_UNREADABLE = Message(
    "worker-unreadable", "{program}: {why}; {cure}", "The worker or ldd cannot be run.", NO_PROGRAM.cure)
NO_LIBRARIES = Message(
    "worker-libraries-unknown", "{program}: its libraries cannot be found ({why}); {cure}",
    "ldd failed. The pool sends a worker's libraries to the agents with it.", NO_PROGRAM.cure)
LIBRARY_MISSING = Message(
    "worker-library-missing", "{program}: {libraries} is not installed here; {cure}",
    "The worker does not run on this machine either.", NO_PROGRAM.cure)

# --- the pool's status ---
NO_POOL = Message(
    "no-pool", "{folder}: no pool is running in this folder; {cure}", "The folder has no status of a running pool.",
    "name the pool's folder with --folder")
NOT_A_STATUS = Message("not-a-pool-status", "{path}: not a pool's status ({why})", "The file was damaged or edited.")
STATUS_OLD = Message(
    "pool-status-old", "this status is {age:.0f} s old: the pool has ended or hangs",
    "A pool writes its status each second.")
ROOM = Message(
    "pool-room", "largest worker: {largest}; {cores:g} cores in all", "The heading of the pool's status.")
ROOM_UNKNOWN = Message("pool-room-unknown", "no agent is known", "The heading of the pool's status.")
NO_MANAGERS = Message("pool-no-managers", "no managers found", "The pool has nobody to start workers for.")
ABANDONED = Message(
    "pool-abandoned", "{workers} without a manager, ending soon", "Workers whose manager has ended are drained.")

# --- why a project has no more workers, and why a worker is drained ---
BACKOFF = Message(
    "pool-backoff",
    "workers end right after their start ({crashes} times in a row): {why}; trying again in {pause} s",
    "Workers of this project fail before they connect. The pool waits longer after each failure.")
AGENTS_UNKNOWN = Message("pool-agents-unknown", "no agent is known yet", "The master has not listed its agents.")
DRAIN_NO_MANAGER = Message("drain-no-manager", "its manager is gone", "Why a worker is drained.")
DRAIN_NOT_SERVED = Message("drain-not-served", "its project is no longer served", "Why a worker is drained.")
DRAIN_OVER_MAX = Message("drain-over-max", "more than {workers}", "Why a worker is drained: the project's max.")
DRAIN_IDLE = Message("drain-idle", "idle", "Why a worker is drained.")
DRAIN_SHARE = Message("drain-share", "another project's share", "Why a worker is drained: others are short of cores.")
FITS_NOWHERE = Message(
    "worker-fits-nowhere", "a worker of {worker} fits on no agent; the largest has {agent}",
    "The size of a worker in pool.json is larger than every agent.")
TASK_FITS_NOWHERE = Message(
    "worker-too-small", "its largest task requests {task}; the largest agent has {agent}",
    "No worker can be large enough for the manager's largest task.")
NEXT_ROUND = Message("pool-next-round", "more are started in the next round", "The pool grows step by step.")
CORES_IN_USE = Message(
    "pool-cores-in-use", "all of the pool's cores are in use; waiting for draining workers to end",
    "The cluster has no free cores for the pool.")
AT_MAX_CORES = Message("pool-at-max-cores", "at its limit of {cores:g} cores", "The project's max_cores is reached.")
AT_MAX_WORKERS = Message("pool-at-max-workers", "at its limit of {workers}", "The project's max is reached.")
SHARE = Message(
    "pool-share", "its share is {target:g} cores of the {need:g} that its tasks request",
    "Several projects compete, and the cores are divided by weight.")
