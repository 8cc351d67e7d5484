"""Messages of mfmesos/core: tasks, attempts, claims and agents. Mesos's reasons for the end of a claim are in
reasons.py, the messages about a cluster without room in shortage.py."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- executors and their claims ---
EXECUTOR_SILENT = Message(
    "executor-silent",
    "the executor on {agent}, where {tasks}, has not been heard from for {silent:.0f} s; after {limit:.0f} s its tasks "
    "will run elsewhere",
    "The agent is overloaded, frozen or cut off from the scheduler. If the executor reports in time, nothing is lost.")
EXECUTOR_STARTING = Message(
    "executor-starting",
    "the executor on {agent} was launched {silent:.0f} s ago and has not reported yet; after {limit:.0f} s mfmesos "
    "gives up on it",
    "The agent is slow to start the executor, or the executor cannot reach the scheduler's staging server.")
EXECUTOR_BACK = Message(
    "executor-back", "the executor on {agent} answers again",
    "An executor that was reported as silent has synced again; its tasks were not interrupted.")
EXECUTOR_NOT_STARTED = Message(
    "executor-not-started", "the executor did not start {failure}",
    "A claim ended before its executor synced for the first time. The line names the agent and the reason.",
    "remove the reason that the message names")
EXECUTOR_FAILURE = Message(
    "executor-failure", "on agent {agent}: {why}",
    "Part of other messages: where an executor failed to start, and why.")
OFFERS_USED = Message(
    "offers-used", "{count} offers, {used} of them used, kept for {mean:.0f} ms on average and {most:.0f} ms at most, "
    "{idle:.1f} core-seconds idle meanwhile",
    "How a run treated what it was offered, at its end, with --verbose: what it keeps, nobody else is offered.")
EXECUTOR_NOT_LAUNCHED = Message(
    "executor-not-launched", "no executor was launched on agent {agent}: {why}",
    "Mesos did not accept the launch, since the offer had changed. The tasks go to another claim.")
NO_EXECUTOR_STARTS = Message(
    "no-executor-starts",
    "no executor could be started, {failures} times in a row; most recently {failure}",
    "The run gives up: every executor failed to start, so no task can run.",
    "remove the reason, then run the same command again")
NO_SUCH_USER = Message(
    "no-such-user", "no executor can run as this user on agent {agent}: {why}; {cure}",
    "The agents do not have the user that the executor is to run as.", "use --user to name a user that the agents know")
EXECUTOR_DIED_AMONG_MANY = Message(
    "executor-died-among-many",
    "the executor on agent {agent} ended while {tasks} were running ({why}); each task will run again alone, to find "
    "out whether one of them ended it",
    "An executor ended unexpectedly. One of its tasks may have killed it or used up its memory.")
EXECUTOR_DIED_ALONE = Message(
    "executor-died-alone",
    "the executor on agent {agent} ended while task {task} ran alone in it ({why}); the task will run again, alone",
    "An executor ended unexpectedly with one task in it, which is now under suspicion.")
TASK_ENDS_EXECUTORS = Message(
    "task-ends-executors",
    "its executor ended each of the {deaths} times that this task ran alone in it, most recently on agent {agent}: "
    "{why}; {cure}",
    "The task has failed: it kills its executor, or uses so much memory that the agent kills the whole container.",
    "request more memory, or correct the command if it kills other processes")
EXECUTOR_SENT_NOTHING = Message(
    "executor-sent-nothing", "its executor sent nothing for {silent:.0f} s",
    "The claim is given up, and its tasks run again elsewhere.")
CLAIM_NOT_ENDED = Message(
    "claim-not-ended", "claim {claim} on agent {agent} did not end within {waited:.0f} s; Mesos has to end it",
    "The executor or its agent does not react. The claim is forgotten; Mesos frees its resources.")
CLAIM_OF_ANOTHER_VERSION = Message(
    "claim-of-another-version",
    "the executor on {agent} is of another version of mfmesos: its claim is given back, and {tasks} of it run "
    "again",
    "mfmesos was updated while the run was interrupted. What the executor had not finished runs again at no cost.")
CLAIM_STUCK = Message("claim-stuck", "the claim did not end", "Part of other messages: why a claim was forgotten.")
CLAIM_RELEASED = Message("claim-released", "its claim was released", "Why an attempt ended: its claim was given back.")
ATTEMPT_NOT_SENT = Message(
    "attempt-not-sent", "its claim gets no more attempts",
    "Why an attempt ended before its executor received it. The task runs again elsewhere.")
MADE_AGAIN = Message(
    "made-again", "its temporary output {name} was lost and is needed",
    "Why a finished task runs again, in its story.")
ATTEMPT_UNKNOWN = Message(
    "attempt-unknown", "its executor no longer knows the attempt",
    "Why an attempt ended: its executor was restarted or lost its state. The task runs again.")

# --- agents and the master ---
MASTER_UNREACHABLE = Message(
    "master-unreachable", "the Mesos master is not reachable: {why}; trying again",
    "The master or the network is down, or --master is wrong.",
    "correct --master, or start the master")
MASTER_UNREACHABLE_RUNNING = Message(
    "master-unreachable-running", "the Mesos master is not reachable: {why}; tasks keep running, trying again",
    "The master is down or the network is interrupted. Claims that exist keep running tasks; no new ones open.")
IN_CLUSTER = Message(
    "in-cluster", "cluster {cluster}: {text}",
    "Part of other messages, if the run uses several clusters: the one that the message is about.")
CLUSTER_LEFT = Message(
    "cluster-left", "cluster {cluster} is used no longer: {why}; its tasks run in the other clusters",
    "The master ended the run's framework there, or no executor starts there. The run continues; tasks that ran there "
    "run again in another cluster.", "remove the reason that the message names")
AGENT_UNREACHABLE = Message(
    "agent-unreachable",
    "the master has lost contact with agent {agent}; tasks on that agent continue if it still runs",
    "The agent is down, restarting or cut off from the master.")
AGENT_AVOIDED = Message(
    "agent-avoided",
    "agent {agent} failed {failures} times in a row and is avoided for {pause:.0f} s; most recently: {why}",
    "Executors or attempts keep failing on this agent, so it gets no work for a while.")
EXECUTOR_DIED_THERE = Message(
    "executor-died-there", "an executor ended while running a task that finished on another agent",
    "Why an agent is avoided: a task whose executor ended there finished elsewhere, so the agent is to blame.")
RESERVED = Message(
    "reserved", "; {kept:,g} of the {whole:,g} {unit} of agent {agent} are reserved for role {role}",
    "Part of other messages: the largest agent keeps resources for a role that is not the run's.")
RESERVED_FOR_ROLES = Message(
    "reserved-for-roles", "; {kept:,g} of the {whole:,g} {unit} of agent {agent} are reserved for roles {roles}",
    "Part of other messages: the largest agent keeps resources for roles that are not the run's.")
WAITING_FOR_AGENT = Message(
    "waiting-for-agent",
    "tasks are waiting for agent {agent}, which is unavailable; no other agent is large enough",
    "The only agent that can hold these tasks is restarting or cut off. They fail if it does not come back.",
    "restart the agent, or add one that is large enough")

# --- tasks and attempts ---
TASK_TWICE = Message(
    "task-twice", "task {task} was submitted twice; ignoring the second one",
    "The workflow engine used the ID of a task that has not ended.")
TASK_CANCELLED = Message(
    "task-cancelled", "the workflow engine cancelled the task", "Why a task ended without a result.")
ATTEMPT_RETRIED = Message(
    "attempt-retried", "attempt {attempt} is retried: {why}",
    "An attempt failed for a reason that may not come back; the task runs again.")
INPUT_WRITTEN = Message(
    "input-written",
    "input {name}, which tasks shared, was changed by a task, probably of category {category}; the task runs again, "
    "and tasks of this category get copies of their inputs from now on",
    "Large inputs are linked, not copied. The attempt that wrote to a linked input was ended, and no other task uses "
    "what it wrote. Later runs remember the category. Copies are slower.",
    "let the command write to a copy of the file, or declare the file as an output as well")
DISK_FULL_PAUSE = Message(
    "disk-full-pause", "{why}; no new task starts until space is available: {cure}",
    "Outputs cannot be stored, since the disk of the workflow's folder is full.", "free some space")
CLUSTER_FAILURES = Message(
    "cluster-failures", "the cluster failed the task {failures} times, most recently: {why}",
    "The task has failed: each of its attempts ended because of an executor, an agent or the network, not by itself.",
    "remove the reason, then run the same command again")
GPUS_NOT_OFFERED = Message(
    "gpus-not-offered",
    "the task requests {gpus:g} GPUs, but this run is offered none, since no task requested GPUs when it "
    "started; {cure}",
    "Mesos offers GPUs only to runs that declare them at the start; mfmesos does so if the task file requests GPUs.",
    "start the run again")
TASK_TOO_LARGE = Message(
    "task-too-large", "the task needs {need}, but the largest agent has {largest} for tasks{reserved}; {cure}",
    "No agent of the cluster could hold this task even if it were empty.", "request less or add a larger agent")
RESOURCE_UNKNOWN = Message(
    "resource-unknown",
    "the task requests the resource {name}, but no agent has {name} for this run{reserved}; {cure}",
    "No agent of the cluster offers a scalar resource of that name, so the task could never start.",
    "besides cores, memory, disk and GPUs the agents have: {known}")
NO_AGENT_MEETS = Message(
    "no-agent-meets",
    "no agent that is large enough meets the constraint {constraint}; {attribute} is {values}; {cure}",
    "The task may start only on agents with such an attribute, and no agent that the master lists has it.",
    "correct the constraint or add such an agent")
NO_AGENT_HAS_ATTRIBUTE = Message(
    "no-agent-has-attribute",
    "no agent that is large enough meets the constraint {constraint}: none has the attribute {attribute}; {cure}",
    "Attributes are given to agents at their start (mesos-agent --attributes).",
    "correct the constraint or give the agents the attribute")
NO_OTHER_RESOURCES = Message(
    "no-other-resources", "nothing", "Part of resource-unknown: the agents have cores, memory, disk and GPUs only.")
CANCELLED_BY_USER = Message(
    "cancelled-by-user", "cancelled", "The user has cancelled the task with mfmesos cancel.",
    "mfmesos retry or the next run runs it")
RETRIED_BY_USER = Message(
    "retried-by-user", "taken back to run again", "The user has given mfmesos retry for a task that ran.")
BEYOND_MAX_CORES = Message(
    "beyond-max-cores", "the task requests {need:g} cores, but --max-cores allows this run {most:g}; {cure}",
    "All claims of the run together may hold no more, so the task could never start.",
    "request less or raise --max-cores")
BEYOND_MAX_MEMORY = Message(
    "beyond-max-memory", "the task requests {need:.0f} MB of memory, but --max-memory leaves {most:.0f} MB for it, "
    "beside {share:.0f} MB for its executor; {cure}",
    "All claims of the run together, with their executors, may hold no more, so the task could never start.",
    "request less or raise --max-memory")
POLICY_UNKNOWN = Message(
    "policy-unknown", "no policy has the name {name}; {cure}",
    "An option that chooses how mfmesos schedules was given a name that it does not know.", "choose {names}")
POLICY_NEEDS_VALUE = Message(
    "policy-needs-value", "this policy needs a value; {cure}",
    "A policy with a parameter was given by its name alone.", "give NAME=VALUE")
POLICY_TAKES_NO_VALUE = Message(
    "policy-takes-no-value", "{value}: this policy takes no value; {cure}",
    "A policy without a parameter was given as NAME=VALUE.", "give the name alone")
POLICY_SECONDS = Message(
    "policy-seconds", "{value}: this policy takes a time; {cure}", "A policy with a time was given something else.",
    "give NAME=SECONDS, {bounds}")
DECLARED_TOO_SMALL = Message(
    "declared-too-small", "{why}; declared {declared:.0f} MB, used more than {used:.0f} MB: declare about {more} MB",
    "The task used more memory or disk than its request declares, and no attempt is allowed more than that.",
    "declare the amount that the message names")
NO_AGENT_HAS_MORE = Message(
    "no-agent-has-more", "{why}; no agent has more{reserved}",
    "The task already had all the memory or disk of the largest agent, and needed more.",
    "add a larger agent, or let the task use less")
MORE_NEXT_TIME = Message(
    "more-next-time", "{why}; trying again with {grown:.0f} MB",
    "The estimate was too low: the next attempt gets more.")
WALL_TIME_EXCEEDED = Message(
    "wall-time-exceeded", "{why}; {cure}", "The task ran longer than the wall_time that its request declares.",
    "declare a longer wall_time")
MORE_ALIKE = Message(
    "more-alike", "{text}; similar messages are not shown for up to {pause:.0f} s",
    "Many messages of one kind came at once.")
ONE_TASK_RUNS = Message("one-task-runs", "1 task runs", "Part of other messages.")
SOME_TASKS_RUN = Message("some-tasks-run", "{count} tasks run", "Part of other messages.")

# --- temporary outputs ---
TEMPORARY_REMADE = Message(
    "temporary-remade",
    "task {task} runs again: task {reader} reads its temporary output {name}, of which no copy is left",
    "The agent or the claim with the only copy is gone, or an earlier run made it. The line in mesos_task_state stays.")
TEMPORARY_LOST_OFTEN = Message(
    "temporary-lost-often", "its input {name}, a temporary output of task {task}, was lost {times} times ({cure})",
    "Each time the agent or claim with the only copy ended before the readers had read it.",
    "remove \"temporary\" from that output, so that it is kept in the workflow's folder")
TEMPORARY_NOT_REMADE = Message(
    "temporary-not-remade",
    "its input {name}, a temporary output, was lost, and task {task} failed to make it again: {why}",
    "The task that makes the input ran again since no copy was left, and failed this time.")
TEMPORARY_UNKNOWN = Message(
    "temporary-unknown",
    "its input {name}, a temporary output, is lost, and the task that made it is not known any more ({cure})",
    "A line that reads a temporary output was added after its last known reader had ended.",
    "run the file again")
TEMPORARY_UNNEEDED = Message(
    "temporary-unneeded", "no task reads its temporary outputs any more",
    "The task ran again to make them, and their last reader ended meanwhile.")
