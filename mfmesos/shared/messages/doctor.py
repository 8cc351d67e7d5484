"""Messages of mfmesos/doctor: what `mfmesos doctor` finds. Each line begins with ok, note or MISSING and the name of
the check; the cure follows an arrow."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- this machine ---
PYTHON_TESTED = Message("python-tested", "{version} ({path})", "mfmesos is tested with this Python.")
PYTHON_UNTESTED = Message(
    "python-untested", "{version} ({path})", "mfmesos may work with this Python, but is not tested with it.",
    "use Python 3.9 to 3.13")
LIBRARIES_MISSING = Message(
    "libraries-missing", "missing: {names}", "Packages that mfmesos imports are not installed.",
    "run pip install mfmesos, or make .venv")
MAKEFLOW_WRAPPED_ONLY = Message(
    "makeflow-wrapped-only", "plain makeflow does not start, but mfmesos makeflow can start it: {why}",
    "This makeflow needs a library that is not installed; mfmesos makeflow runs it without that library.")
ENGINE_HAS_MESOS = Message("engine-has-mesos", "{path}, version {version}, has -T mesos", "makeflow can be used.")
ENGINE_WITHOUT_MESOS = Message(
    "engine-without-mesos", "{path}, version {version}, has no -T mesos",
    "cctools 7.13 and later have no support for Mesos.",
    "install Debian's package coop-computing-tools 9.9, which has it (its makeflow reports version 8.0.0), or use "
    "makeflow -T wq or -T vine with mfmesos pool")
FACTORY_UNUSABLE = Message(
    "factory-unusable", "{why}; only mfmesos factory needs it", "work_queue_factory is missing or does not start.")
FACTORY_WITHOUT_MESOS = Message(
    "factory-without-mesos", "{path} has no -T mesos; only mfmesos factory needs it",
    "cctools 7.13 and later have no support for Mesos.", "use mfmesos pool, which needs no factory")
FACTORY_FOUND = Message(
    "factory-found", "{path}; its workers need {needs} on agents", "work_queue_factory can be used.")
FACTORY_FOUND_STATIC = Message(
    "factory-found-static", "{path}; its workers need no libraries on agents", "work_queue_factory can be used.")
SYSTEM_PYTHON_FOUND = Message("system-python-found", "found", "makeflow runs Mesos schedulers with this Python.")
SYSTEM_PYTHON_MISSING = Message(
    "system-python-missing", "missing; makeflow runs every Mesos scheduler with it",
    "Debian installs no /usr/bin/python by default.", "as root: apt-get install python-is-python3")
PRELOAD_FOUND = Message(
    "preload-found", "{name}: makeflow sees results at once",
    "A small library, loaded into makeflow, wakes it when a result arrives.")
PRELOAD_MISSING = Message(
    "preload-missing", "not built: makeflow sees results only every 5 s",
    "This installation of mfmesos was built without a C compiler.", "install gcc, then install mfmesos again")
PACKAGES_UNKNOWN = Message(
    "packages-unknown", "not checked: this machine has no dpkg", "The check is for Debian and its derivatives.")
PACKAGES_MISSING = Message(
    "packages-missing", "not installed: {packages}", "Debian's packages that makeflow needs are not installed.",
    "as root: apt-get install {names}")
NEEDS_CCTOOLS = Message(
    "needs-cctools", "makeflow and work_queue_factory with -T mesos",
    "Part of packages-missing: what the package holds.")
NEEDS_MPI = Message(
    "needs-mpi", "without it Debian's makeflow starts only under mfmesos makeflow",
    "Part of packages-missing: what the package is for.")
NEEDS_PYTHON = Message(
    "needs-python", "/usr/bin/python, with which makeflow runs its schedulers",
    "Part of packages-missing: what the package holds.")
PORTS_USABLE = Message("ports-usable", "can listen on 127.0.0.1", "The embedded cluster can be used.")
PORTS_UNUSABLE = Message(
    "ports-unusable", "cannot listen on 127.0.0.1: {why}", "The loopback interface is down.",
    "bring up the loopback interface")
INOTIFY_MISSING = Message(
    "inotify-missing", "not available: mfmesos polls files for changes",
    "The kernel does not report changes of files, so results are seen a little later.")
INOTIFY_LIMITS = Message(
    "inotify-limits", "{watches} watches, {instances} instances for each user", "Changes of files are seen at once.")
INOTIFY_LOW = Message(
    "inotify-low", "only {watches} watches and {instances} instances for each user",
    "The kernel's limits may be too low for several runs at once; mfmesos then polls files for changes.",
    "as root: sysctl fs.inotify.max_user_instances=128 fs.inotify.max_user_watches=8192")
DISK_UNREADABLE = Message(
    "disk-unreadable", "{path}: {why}", "The current folder does not exist or cannot be read.",
    "change to an existing folder")
DISK_FREE = Message("disk-free", "{free:.0f} MB free in {path}", "Outputs of tasks are stored in this folder.")
DISK_LOW = Message(
    "disk-low", "only {free:.0f} MB free in {path}", "Outputs of tasks are stored in this folder.",
    "free some disk space for the outputs of tasks")
DISK_NOT_WRITABLE = Message(
    "disk-not-writable", "{free:.0f} MB free in {path}, but you cannot write to it",
    "A run writes task files, results and logs to the workflow's folder.", "work in a folder of your own")

# --- the cluster ---
ZOOKEEPER_ANSWERS = Message(
    "zookeeper-answers", "{hosts}: the leading master is {leader}", "ZooKeeper names the master to use.")
ZOOKEEPER_FAILED = Message(
    "zookeeper-failed", "{hosts}: {why}", "ZooKeeper is down or cannot be reached, or names no master.",
    "start it, or correct --master zk://HOSTS/PATH")
ZOOKEEPER_SILENT = Message(
    "zookeeper-silent", "ZooKeeper does not answer ({why})", "Part of zookeeper-failed: the reason.")
NO_LEADER = Message(
    "no-leader", "no leading master under {path}", "Part of zookeeper-failed: no master has registered there.")
MASTER_ANSWERS = Message("master-answers", "{address} answers, Mesos {version}", "The master can be reached.")
MASTER_SILENT = Message(
    "master-silent", "{failures}", "No master answered at the given addresses.",
    "start it, or correct --master HOST:PORT")
NO_MASTER_ANSWER = Message(
    "no-master-answer", "{address}: the answer is not from a Mesos master ({kind})",
    "Another program listens at the address.")
REDIRECTED = Message(
    "redirected", "{address}: too many redirects", "Masters redirect to each other: none of them leads.")
NO_REASON = Message("no-reason", "no reason given", "The master refused the run without an explanation.")
RUNS_ACCEPTED = Message("runs-accepted", "the master accepts runs ({identity})", "A run can start.")
RUNS_REFUSED = Message(
    "runs-refused", "the master refuses runs ({identity}): {why}",
    "The master requires authentication, or does not let this principal use the role.",
    "correct --principal, --secret-file or --role")
AS_PRINCIPAL = Message(
    "as-principal", "role {role}, principal {principal}", "Part of runs-accepted and runs-refused: the identity.")
WITHOUT_PRINCIPAL = Message(
    "without-principal", "role {role}, no principal", "Part of runs-accepted and runs-refused: the identity.")
AGENTS_HIDDEN = Message(
    "agents-hidden", "the master does not list them ({why})",
    "Without the list a run cannot explain why its tasks wait.")
AGENTS_FORBIDDEN = Message(
    "agents-forbidden", "the master does not list them ({why})",
    "The master shows its agents only to some principals. Without the list a run cannot explain why its tasks wait.",
    "use a principal that may see them: --principal NAME --secret-file FILE")
NO_AGENTS = Message(
    "no-agents", "none registered", "No agent has registered with this master, so no task can run.",
    "start mesos-agent with --master of this master")
AGENTS_FOUND = Message(
    "agents-found", "{count}; the largest, {host}, has {size}", "No task can ask for more than the largest agent has.")
GPUS_STRICT = Message(
    "gpus-strict", "{gpus:g} on {agents} agents, kept apart by the kernel (strict)",
    "The agents isolate GPUs: no task can use the GPU of another claim (docs/gpus.md).")
GPUS_ADVISORY = Message(
    "gpus-advisory", "{gpus:g} on {agents} agents; {host} does not isolate them (advisory)",
    "Tasks learn by variables which GPUs are theirs; nothing keeps a task that overrides them off others "
    "(docs/gpus.md).", "start agents with --isolation=filesystem/linux,cgroups/devices,gpu/nvidia")
GPUS_UNKNOWN = Message(
    "gpus-unknown", "{gpus:g} on {agents} agents; {host} does not say whether it isolates them ({why})",
    "The agent's flags can be read only by some principals, or not from this machine.")
AGENT_SIZE = Message(
    "agent-size", "{cpus:g} cpus, {memory:.0f} MB memory, {disk:.0f} MB disk", "Part of agents-found.")
NO_ROUTE = Message(
    "no-route", "no address of this machine leads to {host}: {why}",
    "Executors connect to this machine, so it needs an address that agents can reach.",
    "name an address with --listen and --advertise")
LOOPBACK_ONLY = Message(
    "loopback-only", "{address}: only agents on this machine can reach it",
    "The master's address belongs to the loopback interface.",
    "to reach other agents, give the master's address on the network")
ADDRESS_FOUND = Message(
    "address-found", "{address}: agents must be able to connect to it (any port; otherwise use --advertise)",
    "Executors connect to this address.")
