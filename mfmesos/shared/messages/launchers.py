"""Messages of mfmesos/launchers: the engines' programs, their schedulers, the pool, and the commands clean, link and
unlink. Those about a workflow's rules and makeflow's options are in rules.py."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- the programs of cctools ---
PROGRAM_MISSING = Message(
    "program-missing", "no {name} on PATH; {cure}", "mfmesos starts the makeflow or work_queue_factory of cctools.",
    "install Debian's coop-computing-tools 9.9, which supports -T mesos (apt-get install coop-computing-tools "
    "openmpi-bin)")
PROGRAM_BROKEN = Message(
    "program-broken", "{path} does not start ({why}); {cure}",
    "The program cannot be executed, or a library is missing.",
    "Debian's makeflow needs openmpi-bin: apt-get install openmpi-bin")
PROGRAM_FAILS = Message(
    "program-fails", "{path} {option} fails with exit code {code} ({why}); {cure}",
    "The program starts, but ends with an error before it prints anything useful.",
    "Debian's makeflow needs openmpi-bin: apt-get install openmpi-bin")
NO_OUTPUT = Message("no-output", "no message", "Part of program-fails: the program printed nothing.")
PROGRAM_WITHOUT_MESOS = Message(
    "program-without-mesos",
    "{path} (version {version}) has no -T mesos, which cctools dropped in version 7.13; {cure}",
    "This makeflow cannot run workflows on Mesos.",
    "install Debian's coop-computing-tools 9.9, which supports it (its makeflow reports version 8.0.0), and put it "
    "first on PATH; or run this makeflow with -T wq or -T vine, and its workers with mfmesos pool")
PYTHON_MISSING = Message(
    "python-missing", "{path} is missing, and makeflow runs every Mesos scheduler with it; {cure}",
    "Debian installs no /usr/bin/python by default.", "as root: apt-get install python-is-python3")
NEEDS_OF_AGENTS = Message(
    "needs-of-agents", "glibc {version} or newer", "Part of factory-found: what a program needs on agents.")
NOT_EXECUTABLE_THERE = Message(
    "not-executable-there", "{folder}: programs cannot be executed there (noexec)",
    "Part of no-place-for-copy: a reason.")
NO_PLACE_FOR_COPY = Message(
    "no-place-for-copy", "no folder for the private copy of {name}: {problems}; {cure}",
    "mfmesos starts a copy of the engine, beside which it puts its own scheduler. Neither the workflow's folder nor "
    "the cache can hold it.", "set XDG_CACHE_HOME to a folder in which programs can be executed")
VALUE_MISSING = Message(
    "value-missing", "{option}: {program} needs a value for this option", "The command line ends after the option.",
    "write the value after the option")
FACTORY_BATCH_TYPE = Message(
    "factory-batch-type", "-T {kind}: mfmesos runs work_queue_factory with -T mesos only; {cure}",
    "Another batch type was given.",
    "leave the option out, or use mfmesos pool, which needs no factory, or work_queue_factory itself")
OPTION_DROPPED = Message(
    "option-dropped", "{option} is ignored: {program} would not start with it, and mfmesos needs no libraries of Mesos",
    "The option names Mesos's own libraries, which mfmesos does not use.")
RESULTS_LATE = Message(
    "results-late", "{program} will see results only every 5 s: the preloaded library was not built; {cure}",
    "A small library, loaded into makeflow, would wake it when a result arrives. It was not built, since this machine "
    "had no C compiler.", "install gcc, then install mfmesos again")
RESULTS_LATE_FOREIGN = Message(
    "results-late-foreign",
    "{program} will see results only every 5 s: the preloaded library does not fit this program",
    "The program is static, or for another kind of processor than the library of mfmesos.")

# --- the workflow's folder ---
ENGINE_RUNNING = Message(
    "engine-running", "{folder}: process {process} runs -T mesos in this folder; {cure}",
    "A makeflow or work_queue_factory that mfmesos did not start uses the folder.", "wait for it or end it")
LEFTOVERS_REMOVED = Message(
    "leftovers-removed", "removed leftovers of an earlier run: {files}", "An earlier run was killed.")
RUN_KEPT_ASIDE = Message(
    "run-kept-aside", "{files} of `mfmesos run` kept in {folder} until this run ends",
    "makeflow and `mfmesos run` use files of the same names in this folder.")
FACTORY_FOLDER = Message(
    "factory-folder", "{folder}: {why}; {cure}", "The folder for the factory's files cannot be created.",
    "choose another folder with -S")
OTHER_FACTORY_FOLDER = Message(
    "other-factory-folder", "choose another folder for this factory with -S", "Part of folder-locked.")

# --- the engine and its scheduler ---
SCHEDULER_GAVE_UP = Message(
    "scheduler-gave-up", "the scheduler gave up for the reason above",
    "The scheduler ended, and a new one cannot help.")
SCHEDULER_ENDED = Message(
    "scheduler-ended", "the scheduler was ended by a signal, and its tasks were killed",
    "Somebody sent a signal to the scheduler.", "run the same command again to resume")
SCHEDULER_DIES = Message(
    "scheduler-dies", "the scheduler died {times} times within {seconds:.0f} s ({how}); see .mfmesos/scheduler.log",
    "Each new scheduler died, too; the log has the reasons.", "report it with the end of the log")
SCHEDULER_RESTARTS = Message(
    "scheduler-restarts", "the scheduler died ({how}); starting it again in {pause:g} s (see .mfmesos/scheduler.log)",
    "An error in mfmesos, or the scheduler was killed. The new scheduler resumes; no finished task is lost.")
SCHEDULER_ENDS_AGAIN = Message(
    "scheduler-ends-again",
    "the scheduler died ({how}) before it released its claims; starting another to release them",
    "Otherwise agents would stay occupied until Mesos gives up waiting for the run.")
RESOURCES_HELD = Message(
    "resources-held", "some resources are still held in Mesos; {cure}",
    "The scheduler could not release them, for example since the master did not answer.",
    "release them with `mfmesos clean {folder}`")
PROCESS_EXIT_CODE = Message("process-exit-code", "exit code {code}", "Part of other messages: how a process ended.")
KILLED_BY = Message("killed-by", "killed by {signal}", "Part of other messages: how a process ended.")
KILLED_BY_NUMBER = Message(
    "killed-by-number", "killed by signal {signal}", "Part of other messages: how a process ended.")
GIVING_UP = Message(
    "giving-up", "{why}; giving up: ending {program}", "The scheduler cannot be kept alive, so the engine is ended.")
FACTORY_DIED = Message(
    "factory-died", "{program} was {how}; its workers were ended", "work_queue_factory was killed, or crashed.")
STOPPING_ENGINE = Message(
    "stopping-engine", "stopping: {program} ends within 5 s, then its {jobs}; {again} to hurry",
    "The first Ctrl-C or signal.")
STOPPING_RESUMES = Message(
    "stopping-resumes", "run the same command again to resume", "Follows stopping-engine, for makeflow.")
STOPPING_JOBS = Message(
    "stopping-jobs", "stopping: {program} is killed, and its {jobs} on the agents are being killed",
    "The second Ctrl-C or signal.")
STOPPING_ALL = Message(
    "stopping-all", "stopping: the scheduler is killed; its {jobs} end after the failover timeout; {cure}",
    "The third Ctrl-C or signal: nothing is left that could end the tasks.", "end them at once with mfmesos clean")
CTRL_C_AGAIN = Message("ctrl-c-again", "Ctrl-C again", "Part of stopping-engine.")
SIGNAL_AGAIN = Message("signal-again", "{signal} again", "Part of stopping-engine.")
STOPPING_LATE = Message(
    "stopping-late", "stopping: the scheduler did not end within {seconds:g} s and is killed",
    "The scheduler waits, for example for a master that does not answer.")
STOPPING_PROGRESS = Message(
    "stopping-progress", "stopping: {jobs} are being killed and claims released ({seconds:.0f} s)",
    "The scheduler waits until Mesos confirms that everything ended.")
CLUSTER_NOT_STARTED = Message(
    "cluster-not-started", "the embedded cluster did not start: {why}", "The cluster of --master local failed.",
    "remove the reason, or choose another master with --master")
CLUSTER_SILENT = Message(
    "cluster-silent", "it printed no error", "Part of cluster-not-started: the reason is unknown.")

# --- the pool ---
POOL_FOLDER = Message(
    "pool-folder", "{folder}: {why}; {cure}", "The folder for the pool's files cannot be created.",
    "choose another folder with --folder")
OTHER_POOL_FOLDER = Message("other-pool-folder", "choose another folder with --folder", "Part of folder-locked.")
NO_PROJECT = Message(
    "no-project", "no project is given; {cure}", "The pool does not know which managers it should serve.",
    "give PROJECT, or --manager, or \"projects\" in {path}")
PROJECT_AND_FILE = Message(
    "project-and-file", "{path} names the projects to serve, and {project} is not among them; {cure}",
    "The projects of pool.json replace PROJECT; the other options are defaults for them.",
    "leave out PROJECT, or add it to the file")
POOL_PROCESS_FAILED = Message(
    "pool-process-failed", "mfmesos pool has ended with exit code {code}",
    "A pool that a Python program started by mfmesos.Pool has failed; its reason is on standard error.")
POOL_SERVES = Message(
    "pool-serves", "serving {projects} (catalog {catalog}); see mfmesos pool --status for its state",
    "The pool has started.")
POOL_SERVES_MANAGER = Message(
    "pool-serves-manager", "serving {projects} (manager {manager}); see mfmesos pool --status for its state",
    "The pool has started.")
STOPPING_POOL = Message(
    "stopping-pool", "stopping: workers leave their managers and end; Ctrl-C again kills them",
    "The first Ctrl-C or signal.")
STOPPING_POOL_NOW = Message("stopping-pool-now", "stopping: the scheduler is killed", "The second Ctrl-C or signal.")

# --- clean ---
NOTHING_TO_CLEAN = Message(
    "nothing-to-clean", "{folder}: no leftovers of mfmesos runs", "mfmesos never ran in this folder.")
NOTHING_BUT_LOGS = Message(
    "nothing-but-logs", "{folder}: no leftovers of earlier runs but their logs", "`mfmesos clean` keeps logs.")
ENGINE_ACTIVE = Message(
    "engine-active", "{folder}: process {process} runs -T mesos in this folder; {cure}",
    "`mfmesos clean` does not touch the files of an active run.", "end it first")
WOULD_REMOVE = Message("would-remove", "would remove {what}", "--dry-run: a leftover of a crashed run.")
REMOVED = Message("removed", "removed {what}", "A leftover of a crashed run.")
NOT_REMOVED = Message("not-removed", "not removed: {what}: {why}", "A leftover of a crashed run that still exists.")
FRAMEWORK_OF_RUN = Message(
    "framework-of-run", "framework {id} on the Mesos master {master} with all of its tasks",
    "Part of removed: what Mesos still runs for the crashed run.")
UNKNOWN_MASTER = Message("unknown-master", "(unknown)", "Part of framework-of-run.")
STILL_EXISTS = Message(
    "still-exists", "it still exists; {cure}", "Part of not-removed: the reason.",
    "check the permissions of its folder")
MASTER_NOT_RECORDED = Message(
    "master-not-recorded", "its master is not recorded; {cure}", "Part of not-removed: the reason.",
    "name the master with --master HOST:PORT")
MASTER_REFUSED_TEARDOWN = Message(
    "master-refused-teardown", "the master refused: {why}; {cure}", "Part of not-removed: the reason.",
    "give the principal and secret of the run, or ask the operator of the cluster")
CLEAN_MASTER_UNREACHABLE = Message(
    "clean-master-unreachable", "the master does not answer ({why}); {cure}", "Part of not-removed: the reason.",
    "try again, or name another master with --master HOST:PORT")

# --- link, and plain makeflow ---
LINK_NO_MAKEFLOW = Message(
    "link-no-makeflow", "{folder}: contains no makeflow; {cure}",
    "`mfmesos link` puts its scheduler beside an installed makeflow.",
    "name the folder of the makeflow that `which makeflow` prints")
LINK_RELATIVE = Message(
    "link-relative", "{interpreter}: the path of the interpreter must be absolute",
    "Users start makeflow from other folders.", "start mfmesos by its absolute path")
LINKED_ELSEWHERE = Message(
    "linked-elsewhere", "{folder} leads to {place}, where makeflow looks for its scheduler: linked there",
    "The makeflow in the folder is a symbolic link or a script.")
UNLINKED_ELSEWHERE = Message(
    "unlinked-elsewhere", "{folder} leads to {place}: unlinked there",
    "The makeflow in the folder is a symbolic link or a script.")
LINK_DENIED = Message(
    "link-denied", "{folder}: {why}; {cure}", "The folder of makeflow cannot be changed by this user.",
    "run this as the owner of that folder (sudo?)")
LINK_FOREIGN = Message(
    "link-foreign", "{path} was not created by mfmesos and stays as it is",
    "The scheduler beside makeflow is the original one.")
LINKED_PROGRESS = Message(
    "linked-progress", "{folder}: {files}: progress of `mfmesos run`, which makeflow would take for its own; {cure}",
    "Plain makeflow was started where a `mfmesos run` left results in files of the same name.",
    "use another folder, or `mfmesos makeflow`, which keeps them aside, or delete them")
LOG_NOT_REPAIRED = Message(
    "log-not-repaired", "makeflow's log was not repaired ({why}); {cure}",
    "makeflow was killed. Plain makeflow may crash on its log, which names rules that still seem to run.",
    "continue with `mfmesos makeflow`")
LINK_SIGNALLED = Message(
    "link-signalled", "the scheduler was ended by a signal; {cure}", "Somebody sent a signal to the scheduler.",
    "start makeflow again to resume")
LINK_KILLED = Message(
    "link-killed", "the scheduler was killed by signal {signal}; {cure}", "Somebody killed the scheduler.",
    "start makeflow again to resume")
LINK_BROKEN = Message(
    "link-broken", "the scheduler does not start ({why}): {cure}",
    "The Python environment of mfmesos was moved, removed or upgraded after `mfmesos link`.",
    "run `mfmesos link` again, or `mfmesos unlink`")
LINK_NO_PYTHON = Message(
    "link-no-python", "mfmesos: {interpreter} does not start ({why}): {cure}",
    "The Python environment of mfmesos was moved or removed after `mfmesos link`.",
    "run `mfmesos link` again, or `mfmesos unlink`")

# --- the page ---
PAGE_AT = Message("page-at", "the page of this run: {link}", "With --web; the link holds the page's token.")
PAGE_AT_FILE = Message(
    "page-at-file", "the page of this run: {address} (the link with its token is in {file})",
    "With --web where output may go to a log, which must not hold the token.")
PAGE_NOT_STARTED = Message(
    "page-not-started", "the page does not start: {why}; {cure}", "With --web.",
    "choose another --web-listen, or run without --web")
PAGE_SILENT = Message("page-silent", "its process reported nothing", "Part of page-not-started.")
