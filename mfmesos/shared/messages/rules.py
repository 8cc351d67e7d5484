"""Messages of mfmesos/launchers about makeflow's options, log and workflows, and the end of their rules."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- options and files ---
NO_WORKFLOW_FOLDER = Message(
    "no-workflow-folder", "{folder}: no such folder; {cure}", "The folder of makeflow's option -X does not exist.",
    "create it or correct -X")
NO_WORKFLOW = Message(
    "no-workflow", "{file}: no such file; {cure}", "makeflow's workflow does not exist.",
    "name the workflow's file after `--`")
WORKFLOW_ODD = Message(
    "workflow-odd", "{path}: this is {odd}, not a file; {cure}", "makeflow reads its workflow several times.",
    "write the workflow to a file")
LOG_ODD = Message(
    "log-odd", "{path}: this is {odd}, not a file; makeflow keeps its log there; {cure}",
    "Something else has the name of makeflow's log.", "move it away")
MAKEFLOW_BATCH_TYPE = Message(
    "makeflow-batch-type", "{option}: mfmesos runs makeflow with -T mesos only; {cure}",
    "Another batch type was given, as an option or in the environment.",
    "leave it out, or use makeflow itself: for -T wq and -T vine, mfmesos pool runs the workers")
ARGV_UNREADABLE = Message(
    "argv-unreadable", "--argv {file}: cannot be read ({why})", "The file with makeflow's options cannot be read.",
    "correct the name or the permissions of the file")
ARGV_NOT_JSON = Message(
    "argv-not-json", "--argv {file}: not JSON ({why})", "The file with makeflow's options is malformed.",
    "correct the file at that place")
ARGV_NOT_OBJECT = Message(
    "argv-not-object", "--argv {file}: not an object of options and values; {cure}",
    "The file with makeflow's options holds another kind of JSON.",
    "write one like {{\"retry-count\": 3, \"jx\": null}}")
ARGV_UNKNOWN = Message(
    "argv-unknown", "--argv {file}: makeflow has no option {option!r}",
    "A key of the file is not an option of makeflow.", "correct or remove the key")
ARGV_NOT_SCALAR = Message(
    "argv-not-scalar", "--argv {file}: the value of {option!r} is neither a string nor a number",
    "Options have simple values only.", "write a string, a number or null")
ARGV_WANTS_NULL = Message(
    "argv-wants-null", "--argv {file}: {option!r} has no value; {cure}", "This option of makeflow takes no value.",
    "write null")
ARGV_WANTS_VALUE = Message(
    "argv-wants-value", "--argv {file}: {option!r} needs a value", "This option of makeflow takes a value.",
    "write the value instead of null")
ARGV_ENDLESS = Message(
    "argv-endless", "--argv {file}: these files include each other in a cycle",
    "A file names itself, or another one that names it.",
    "remove one of the references")

# --- environments ---
ENVIRONMENT_NOT_LOGGED = Message(
    "environment-not-logged", "{file}: {what}: this makeflow does not pass environments to a Mesos scheduler; {cure}",
    "The workflow sets variables for its tasks, which would run without them.",
    "use makeflow of cctools 7.0 to 8.0, or --ignore-environment to run the tasks without them")
DEBUG_LOG_NOT_WRITABLE = Message(
    "debug-log-not-writable", "{file}: cannot write makeflow's debug log ({why})",
    "mfmesos reads each rule's environment from the debug log that makeflow writes to .mfmesos.",
    "remove the reason, or use --ignore-environment")
ENVIRONMENT_LOST = Message(
    "environment-lost", "{file}: {what}: plain makeflow does not pass environments to its tasks on Mesos, which run "
    "without them; {cure}", "Plain makeflow does not pass variables to a Mesos scheduler.",
    "use `mfmesos makeflow`, which passes them on")
EXPORTS = Message("exports", "export {names}", "Part of environment-not-logged: where the workflow sets variables.")

# --- makeflow's log ---
RULES_OF_OTHER_TYPE = Message(
    "rules-of-other-type", "{log}: {rules} left running by makeflow -T {kind}; {cure}",
    "The log is from a run with another batch type, whose rules may still run.",
    "continue with -T {kind}, or delete that file to start from the beginning")
RULES_RUN_AGAIN = Message(
    "rules-run-again", "{log}: {rules} left running by a killed run will run again (copy: {copy})",
    "makeflow was killed; its recovery would crash on such rules, so mfmesos repairs the log.")
LOG_LINE_CUT = Message(
    "log-line-cut", "{log}: its incomplete last line was removed (copy: {copy})",
    "makeflow was killed while it wrote its log, which it would call corrupt.")
RULES_AND_LINE = Message(
    "rules-and-line",
    "{log}: {rules} left running by a killed run will run again; its incomplete last line was removed (copy: {copy})",
    "makeflow was killed while it wrote its log; mfmesos repairs it.")

# --- the end of makeflow ---
MAKEFLOW_SPUN = Message(
    "makeflow-spun", "makeflow was ended, since it would loop for ever: {why}",
    "makeflow computes without end when none of the remaining rules can start.",
    "correct the reason, then run the same command again")
SPUN_UNEXPLAINED = Message(
    "spun-unexplained", "it found no rule to run although some remain", "Part of makeflow-spun: the reason is unknown.")
GAVE_UP = Message(
    "gave-up", "makeflow gave up: {why}; {what}", "makeflow ended with a fatal error.",
    "correct the workflow or the command line")
GAVE_UP_ABOVE = Message(
    "gave-up-above", "makeflow gave up for the reason above; nothing had run", "makeflow ended with an error message.",
    "correct the workflow or the command line")
MAKEFLOW_KILLED = Message(
    "makeflow-killed", "makeflow was {how}; {what}", "Somebody killed makeflow, or it crashed.",
    "run the same command again to resume")
MAKEFLOW_ENDED = Message(
    "makeflow-ended", "makeflow ended with {how}; {what}", "makeflow ended before the workflow did.",
    "see what makeflow printed")
TASKS_KILLED = Message(
    "tasks-killed", "its tasks were killed; {cure}", "Part of gave-up and makeflow-killed.",
    "run the same command again to resume")
NOTHING_RAN = Message("nothing-ran", "nothing had run", "Part of gave-up and makeflow-killed.")

# --- why no rule can start ---
RULES_IN_CYCLE = Message(
    "rules-in-cycle", "{file}: rules need each other's outputs in a cycle: {files}",
    "makeflow does not check for cycles.", "break the cycle")
RULE_CYCLE_STEP = Message("rule-cycle-step", "{file} needs {other}", "Part of rules-in-cycle: one step.")
RULE_CYCLE_MORE = Message("rule-cycle-more", "... ({count} more)", "Part of rules-in-cycle: steps that are left out.")
RULES_NEED_FAILED = Message(
    "rules-need-failed", "{rules} cannot run: outputs of failed rules are missing",
    "Rules that depend on a failed rule cannot run.", "correct the failed rules, then run the same command again")
STORAGE_TOO_SMALL = Message(
    "storage-too-small", "the remaining rules do not fit into --{option} {limit} (bytes; makeflow counts 1 GB for each "
    "output that does not exist yet); {cure}", "makeflow starts a rule only when its outputs fit into the limit.",
    "give a larger limit, or none")
RULES_WAIT = Message(
    "rules-wait", "the remaining rules wait for each other, or for files that no rule makes ({viz}, a program of "
    "makeflow that could name them, did not run)", "makeflow cannot start any of the remaining rules.",
    "check the names of files in the workflow")
RULES_NOT_STARTED = Message(
    "rules-not-started", "makeflow does not start the rules that make {files}, although their inputs exist",
    "makeflow waits for resources of its own.", "see what makeflow printed")
LOCAL_RULES_TOO_LARGE = Message(
    "local-rules-too-large", "makeflow does not start the rules that make {files}, although their inputs exist; {cure}",
    "A LOCAL rule requests more than makeflow has on this machine.",
    "LOCAL rules must not request more cores, memory or disk than makeflow has (--local-cores, --local-memory, "
    "--local-disk)")

# --- the verdict ---
RULES_SUMMARY = Message(
    "rules-summary", "{complete} of {total} rules succeeded, {failed} failed",
    "The last line of a workflow with failures.")
RULES_SUMMARY_REST = Message(
    "rules-summary-rest", "{complete} of {total} rules succeeded, {failed} failed, {rest} did not run",
    "The last line of a workflow with failures.")
MORE_RULES_FAILED = Message(
    "more-rules-failed", "{count} more rules failed; see {report} in .mfmesos/", "Only the first failures are printed.")
RULE_FAILED = Message(
    "rule-failed", "rule {rule}{makes} failed: {why}; its command: {command}", "A task of the workflow failed.",
    "correct the rule, then run the same command again")
RULE_FAILED_ABOVE = Message(
    "rule-failed-above", "rule {rule}{makes} failed: see makeflow's message above",
    "makeflow ran the rule itself, or did not start it.", "correct the rule, then run the same command again")
RULE_OUTPUTS_MISSING = Message(
    "rule-outputs-missing",
    "rule {rule}{makes} failed: its command succeeded, but makeflow rejected its outputs: see above",
    "makeflow did not find an output of the rule after its task, or found an empty one.",
    "see what makeflow printed")
RULE_TASK = Message(
    "rule-task", "task {task}", "Part of rule-failed: by this number mfmesos why and logs know the rule's last try.")
RULE_MAKES = Message("rule-makes", "makes {files}", "Part of rule-failed: the outputs of the rule.")
UNKNOWN_REASON = Message("unknown-reason", "reason unknown", "Part of rule-failed: the scheduler reported no reason.")
