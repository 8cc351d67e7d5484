"""Messages of the pool: mfmesos/engines/pool_*.py, catalog.py, manager.py, survey.py, and mfmesos/shares."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- what a running pool reports ---
POOL_TOOK_OVER = Message(
    "pool-took-over", "took over {workers} from the previous scheduler",
    "The scheduler was started again; workers were not interrupted.")
POOL_MANAGER_FOUND = Message(
    "pool-manager-found", "{manager}: found a manager with {tasks}", "A manager of a served project has appeared.")
POOL_MANAGER_GONE = Message(
    "pool-manager-gone", "{manager}: the manager is gone", "The manager has ended or cannot be found any longer.")
POOL_WORKER_FAILED = Message(
    "pool-worker-failed", "{project}: worker {worker} failed: {why}{more}", "A worker ended with an error.")
POOL_WORKER_FAILED_ON = Message(
    "pool-worker-failed-on", "{project}: worker {worker} failed on {host}: {why}{more}",
    "A worker ended with an error.")
POOL_WORKER_ENDED = Message(
    "pool-worker-ended", "a worker ended at once", "A worker ended before it had connected to its manager.")
POOL_WORKER_ENDED_ON = Message(
    "pool-worker-ended-on", "a worker ended at once on {host}",
    "A worker ended before it had connected to its manager.")
POOL_SETTINGS_KEPT = Message(
    "pool-settings-kept", "{problem}; the previous settings stay in force",
    "pool.json has changed and is not valid. The pool continues with the last valid settings.")
POOL_SETTINGS_CHANGED = Message(
    "pool-settings-changed", "{path} has changed: now serving {projects}", "The new pool.json has taken effect.")
POOL_SOURCE_FAILED = Message(
    "pool-source-failed", "{problem}; existing workers are kept",
    "The catalog or the manager does not answer; the pool neither starts nor ends workers because of that.")
POOL_AND_OTHER = Message("pool-and-other", "{first} (and 1 other)", "Several records of the catalog were ignored.")
POOL_AND_OTHERS = Message(
    "pool-and-others", "{first} (and {others} others)", "Several records of the catalog were ignored.")

POOL_BY_FOREMEN = Message(
    "pool-by-foremen", "its workers connect to foremen (--foremen {pattern}); running foremen: {foremen}",
    "With --foremen a manager gets no workers of its own: its waiting tasks count for the foremen.")

# --- catalog and managers ---
POOL_CATALOG_STATUS = Message(
    "pool-catalog-status", "{where}: HTTP {status} for /query.json; {cure}",
    "The server at that address does not behave as a catalog server.", "is it a catalog server?")
POOL_ANSWER_TOO_LARGE = Message(
    "pool-answer-too-large", "{where}: its answer is larger than {limit} MB",
    "The answer is not plausible and is not read.")
POOL_NOT_ANSWERED = Message("pool-not-answered", "{where}: {why}", "The catalog or manager cannot be reached.")
POOL_NO_ANSWER = Message("pool-no-answer", "no answer within {timeout:g} s", "Part of other messages.")
POOL_RECORD_IGNORED = Message(
    "pool-record-ignored", "{where}: record {number} is ignored: {why}",
    "A manager's record in the catalog is not valid.")
POOL_ANSWER_NOT_JSON = Message(
    "pool-answer-not-json", "{where}: its answer is not JSON ({why})", "The answer cannot be used.")
POOL_ANSWER_NOT_LIST = Message(
    "pool-answer-not-list", "{where}: its answer is not a list of records", "The answer cannot be used.")
POOL_BAD_FIELD = Message(
    "pool-bad-field", "{name} is {value}", "Part of pool-record-ignored: a field that is not valid.")
POOL_NO_HOST = Message(
    "pool-no-host", "neither address nor name is a host ({address})", "Part of pool-record-ignored: no usable address.")
POOL_NOBODY_LISTENS = Message(
    "pool-nobody-listens", "{where}: nothing is listening there", "The manager has ended, or the port is wrong.",
    "correct --manager if the manager is running")
POOL_NO_PASSWORD_ASKED = Message(
    "pool-no-password-asked", "{where}: it does not ask for a password, or is not a manager",
    "The pool has a password (--password), but what listens there does not use one.",
    "correct --manager, or leave out --password")
POOL_NEEDS_PASSWORD = Message(
    "pool-needs-password", "{where}: it requires a password; {cure}",
    "The manager accepts only workers that prove that they know its password.", "name its file with --password")
POOL_OTHER_PASSWORD = Message(
    "pool-other-password", "{where}: its password is a different one; {cure}",
    "No password given with --password is the manager's.", "correct --password")
POOL_NO_TLS = Message(
    "pool-no-tls", "{where}: it does not accept TLS ({why}); {cure}",
    "According to --ssl or to the manager's record the manager accepts TLS only.", "leave out --ssl")
POOL_SILENT_MANAGER = Message(
    "pool-silent-manager", "manager {manager}: it is running, but does not report what it needs; {cure}",
    "The manager is too busy to answer, or what listens there is not a manager.",
    "correct --manager if that is not a manager")
POOL_OTHER_PROJECT = Message(
    "pool-other-project", "manager {manager}: its project {project} is not among those to serve",
    "The manager given with --manager has a project name that no setting matches.",
    "add the project to PROJECT or to pool.json")

# --- pool.json and options ---
POOL_FILE_UNREADABLE = Message(
    "pool-file-unreadable", "{path}: it cannot be read ({why}); {cure}",
    "pool.json exists, but cannot be opened or is not text.", "correct it or remove it")
POOL_FILE_NOT_JSON = Message(
    "pool-file-not-json", "{path}: not JSON; {cure}", "pool.json has a syntax error.", "correct it")
POOL_FILE_NOT_JSON_AT = Message(
    "pool-file-not-json-at", "{path}:{line}: not JSON ({why} at column {column}); {cure}",
    "pool.json has a syntax error.", "correct it")
POOL_BAD_KEY = Message("pool-bad-key", "{path}:{line}: {problem}", "A setting in pool.json is not valid.")
POOL_WRITE_PROJECTS = Message(
    "pool-write-projects", 'write {{"NAME": {{"max": 10}}}}', "How projects are written in pool.json.")
POOL_WRITE_BOOLEAN = Message("pool-write-boolean", "write true or false", "How a switch is written in pool.json.")
POOL_WRITE_STRING = Message("pool-write-string", "write one string", "How a text is written in pool.json.")
POOL_WRITE_STRINGS = Message(
    "pool-write-strings", "write one string, or a list of strings", "How several texts are written in pool.json.")
POOL_WRITE_OBJECT = Message(
    "pool-write-object", "write an object with {keys}", "How an object is written in pool.json.")
POOL_BAD_PATTERN = Message(
    "pool-bad-pattern", "not a regular expression ({why})", "Names of projects are regular expressions.",
    "correct the name")
POOL_UNKNOWN_KEY = Message(
    "pool-unknown-key", "unknown; the keys are {keys}", "pool.json has a key that mfmesos does not know.")
POOL_MISSPELT_KEY = Message(
    "pool-misspelt-key", "unknown; did you mean {near!r}?", "pool.json has a key that mfmesos does not know.")
POOL_MIN_OVER_MAX = Message(
    "pool-min-over-max", "more than max ({max})", "A project's min is larger than its max.", "lower min or raise max")
POOL_SIZE_MISSING = Message(
    "pool-size-missing", 'it is empty; write {{"cores": 4, "memory": 4000, "disk": 8000}} (MB), or a part of it',
    "A worker's size needs cores, memory, disk or GPUs.")
POOL_NOT_WHOLE = Message(
    "pool-not-whole", "{value!r} is not a whole number", "A number of workers is whole.", "write a whole number")
POOL_NOT_IN_BOUNDS = Message(
    "pool-not-in-bounds", "{value!r} is not a number from {least:g} to {most:g}", "A number is out of range.")

# --- the worker program ---
POOL_NO_PROGRAM = Message(
    "pool-no-program", "no {name} on PATH; {cure}", "The program that works for the manager is not installed.",
    "install Debian's coop-computing-tools, or name another worker with --worker")
POOL_NO_PONCHO = Message(
    "pool-no-poncho", "no {name} on PATH, which unpacks the environment; {cure}",
    "--poncho-env needs the program of cctools that unpacks environments on agents.",
    "put cctools' bin folder on PATH, or leave out --poncho-env")
POOL_TIMED_OUT = Message(
    "pool-timed-out", "no manager for {seconds:g} s (--factory-timeout): the pool ends",
    "The pool was started with a time after which it ends if it is not needed.")
POOL_BAD_PROGRAM = Message(
    "pool-bad-program", "{program}: not a program for this machine; {cure}", "The worker is not an ELF program.",
    POOL_NO_PROGRAM.cure)
POOL_PROGRAM_UNREADABLE = Message(
    "pool-program-unreadable", "{program}: {why}; {cure}", "The worker or ldd cannot be run.", POOL_NO_PROGRAM.cure)
POOL_NO_LIBRARIES = Message(
    "pool-no-libraries", "{program}: its libraries cannot be found ({why}); {cure}",
    "ldd failed. The pool sends a worker's libraries to the agents with it.", POOL_NO_PROGRAM.cure)
POOL_LDD_FAILED = Message("pool-ldd-failed", "ldd failed", "Part of other messages.")
POOL_LIBRARY_MISSING = Message(
    "pool-library-missing", "{program}: {libraries} is not installed here; {cure}",
    "The worker does not run on this machine either.", POOL_NO_PROGRAM.cure)

# --- the pool's status ---
POOL_NO_POOL = Message(
    "pool-no-pool", "{folder}: no pool is running in this folder; {cure}",
    "The folder has no status of a running pool.",
    "name the pool's folder with --folder")
POOL_NOT_A_STATUS = Message(
    "pool-not-a-status", "{path}: not a pool's status ({why})", "The file was damaged or edited.", "remove the file")
POOL_STATUS_OLD = Message(
    "pool-status-old", "this status is {age:.0f} s old: the pool has ended or hangs",
    "A pool writes its status each second.", "start the pool again")
POOL_ROOM = Message(
    "pool-room", "largest worker: {largest}; {cores:g} cores in all", "The heading of the pool's status.")
POOL_ROOM_UNKNOWN = Message("pool-room-unknown", "no agent is known", "The heading of the pool's status.")
POOL_NO_MANAGERS = Message("pool-no-managers", "no managers found", "The pool starts workers only for managers.")
POOL_ABANDONED = Message(
    "pool-abandoned", "{workers} without a manager, ending soon", "Workers whose manager has ended are drained.")

# --- why a project has no more workers, and why a worker is drained ---
POOL_BACKOFF = Message(
    "pool-backoff",
    "workers end right after starting ({crashes} times in a row): {why}; trying again in {pause} s",
    "Workers of this project fail before they connect. The pool waits longer after each failure.")
POOL_AGENTS_UNKNOWN = Message("pool-agents-unknown", "no agent is known yet", "The master has not listed its agents.")
POOL_DRAIN_NO_MANAGER = Message("pool-drain-no-manager", "its manager is gone", "Why a worker is drained.")
POOL_DRAIN_NOT_SERVED = Message("pool-drain-not-served", "its project is no longer served", "Why a worker is drained.")
POOL_DRAIN_OVER_MAX = Message(
    "pool-drain-over-max", "more than {workers}", "Why a worker is drained: the project's max.")
POOL_DRAIN_IDLE = Message("pool-drain-idle", "idle", "Why a worker is drained.")
POOL_DRAIN_SHARE = Message(
    "pool-drain-share", "another project's share", "Why a worker is drained: others are short of cores.")
POOL_DRAIN_TOO_SMALL = Message(
    "pool-drain-too-small", "too small for the tasks that wait", "Why a worker is drained: it idles, and no task runs.")
POOL_DRAIN_NO_ROOM = Message(
    "pool-drain-no-room", "no agent has room for it; smaller workers replace it",
    "Why a worker is drained: other tasks of the cluster hold the resources.")
POOL_TRYING_LARGER = Message(
    "pool-trying-larger", "tasks wait although its workers are idle: trying workers of {worker}",
    "The manager does not report how large its tasks are; the pool starts larger workers until one fits.",
    "give the size with --cores, --memory and --disk if you know it")
POOL_MORE_MEMORY = Message(
    "pool-more-memory", "its tasks used more memory than their worker had: trying {memory:.0f} MB for each task",
    "A worker was ended because its tasks, which do not request enough memory, used more than the worker had.",
    "request the tasks' memory, or give workers --memory")
POOL_NO_WORKER_FITS = Message(
    "pool-no-worker-fits", "tasks wait although a worker of a whole agent ({agent}) is idle; {cure}",
    "No worker is large enough for the manager's tasks, or none has a feature that they need.",
    "request less, add a larger agent, or give the workers what the tasks need (--feature)")
POOL_SIZE_TOO_SMALL = Message(
    "pool-size-too-small", "tasks wait although its workers of {worker} are idle; {cure}",
    "The size that was given for workers is too small for the manager's tasks, or the workers lack a feature.",
    "give a larger size, or none")
POOL_NEVER_JOINED = Message(
    "pool-never-joined", "{manager}: a worker runs, but its manager does not list it; {cure}",
    "The worker cannot reach the manager from its agent, or the manager rejects it.",
    "check that agents can reach the manager's address")
POOL_DRAIN_CANNOT_JOIN = Message(
    "pool-drain-cannot-join", "its manager does not list it", "Why a worker is drained: it does not reach the manager.")
POOL_DRAIN_BLOCKED = Message(
    "pool-drain-blocked", "its manager blocks other hosts now",
    "Why a worker that waits for resources is drained: another one may start on other hosts.")
POOL_SPEAKS = Message("pool-speaks", "{program} with protocol {protocol}", "Part of pool-other-protocol.")
POOL_OTHER_PROTOCOL = Message(
    "pool-other-protocol", "{manager}: it needs a {worker} with protocol {protocol}, not {spoken}; {cure}",
    "The worker program is of another version of cctools than the manager; the manager would reject it.",
    "name the worker of the manager's cctools with --worker")
POOL_NO_WORKER_OF_TYPE = Message(
    "pool-no-worker-of-type", "{manager}: it needs a {worker}, and --worker names another; {cure}",
    "Managers of Work Queue and of TaskVine need different workers.", "name a {worker} with --worker as well")
POOL_FITS_NOWHERE = Message(
    "pool-fits-nowhere", "a worker of {worker} fits on no agent; the largest has {agent}",
    "The size of a worker in pool.json is larger than every agent.", "choose a smaller size of worker")
POOL_TASK_FITS_NOWHERE = Message(
    "pool-task-fits-nowhere", "its largest task requests {task}; the largest agent has {agent}",
    "No worker can be large enough for the manager's largest task.", "request less, or add a larger agent")
POOL_NEXT_ROUND = Message("pool-next-round", "more are started in the next round", "The pool grows step by step.")
POOL_CORES_IN_USE = Message(
    "pool-cores-in-use", "all of the pool's cores are in use; waiting for draining workers to end",
    "The cluster has no free cores for the pool.")
POOL_AT_MAX_CORES = Message(
    "pool-at-max-cores", "at its limit of {cores:g} cores", "The project's max_cores is reached.")
POOL_AT_MAX_WORKERS = Message("pool-at-max-workers", "at its limit of {workers}", "The project's max is reached.")
POOL_SHARE = Message(
    "pool-share", "its share is {target:g} cores of the {need:g} that its tasks request",
    "Several projects compete, and the cores are divided by weight.")
