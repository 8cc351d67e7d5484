"""Messages of mfmesos/mesos: the addresses of masters, and the connections to the master and to agents."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- addresses of masters ---
MASTER_HTTPS = Message(
    "master-https", "master {master!r}: https is not supported; {cure}", "mfmesos talks to Mesos by plain http only.",
    "use a master that accepts plain http")
MASTER_EMPTY = Message(
    "master-empty", "master: empty; {cure}", "The address of the master is empty.",
    "give HOST:PORT, a list H1:P1,H2:P2, or zk://H1:P1,H2:P2/PATH")
MASTER_MALFORMED = Message(
    "master-malformed", "master {master!r}: not an address; {cure}", "The address of the master is malformed.",
    "give HOST:PORT, a list H1:P1,H2:P2, or zk://H1:P1,H2:P2/PATH")
MASTER_INVALID = Message(
    "master-invalid", "master {master!r}: {why}", "A part of the address of the master is malformed.",
    "correct --master")
ZOOKEEPER_INCOMPLETE = Message(
    "zookeeper-incomplete", "master {master!r}: ZooKeeper's hosts or the masters' path is missing; {cure}",
    "An address of ZooKeeper names its hosts and the path under which masters register.",
    "write it like zk://H1:2181,H2:2181/mesos")
ZOOKEEPER_AWAITED = Message(
    "zookeeper-awaited", "ZooKeeper {hosts} does not answer; trying again", "ZooKeeper is down or cannot be reached.",
    "correct --master, or start ZooKeeper")
LEADER_AWAITED = Message(
    "leader-awaited", "no leading master under {path}; waiting for one", "No master has registered with ZooKeeper.",
    "correct the path in --master, or start a master")

# --- the master refuses ---
FRAMEWORK_REFUSED = Message(
    "framework-refused", "the Mesos master refuses this framework: {why}",
    "The master ended the run's registration, or did not accept it.", "see the reason")
CORRECT_OPTIONS = Message("correct-options", "(correct {options})", "Part of framework-refused: what it is about.")
CREDENTIAL_REFUSED = Message(
    "credential-refused", "the master does not accept this principal and secret; {cure} ({why})",
    "The master requires authentication, and the secret is wrong.", "correct --principal and --secret-file")
SECRET_REQUIRED = Message(
    "secret-required", "the master requires a principal and a secret, and the secret is missing; {cure} ({why})",
    "The master requires authentication.", "add --secret-file FILE")
CREDENTIAL_REQUIRED = Message(
    "credential-required", "the master requires a principal and a secret; {cure} ({why})",
    "The master requires authentication.", "add --principal NAME --secret-file FILE")
IDENTITY_REFUSED = Message(
    "identity-refused", "the master does not allow this framework; {cure} ({why})",
    "The master's access rules do not allow the principal to use the role or to run tasks as the user.",
    "correct --principal, --role or --user")
CALL_REFUSED = Message(
    "call-refused", "the master refused {call}: {why}", "The master did not accept a call of the scheduler.")

# --- the connection to the master, or of an executor to its agent ---
HTTPS_ONLY = Message(
    "https-only", "{address}: the master supports https only; {cure}", "mfmesos talks to Mesos by plain http only.",
    "have the master accept plain http (LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true)")
STREAM_HTTPS_ONLY = Message(
    "stream-https-only", "{address}: supports https only, which mfmesos does not",
    "mfmesos talks to Mesos by plain http only.",
    "have Mesos accept plain http (LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true)")
REDIRECT_HTTPS = Message(
    "redirect-https", "{address}: redirects to {location}, and mfmesos does not support https",
    "The leading master accepts https only.",
    "have the master accept plain http (LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true)")
REDIRECT_NOWHERE = Message(
    "redirect-nowhere", "{address}: redirects, but to no address ({location!r})",
    "The program at the address is not a Mesos master.", "correct --master")
NOT_THE_LEADER = Message(
    "not-the-leader", "{address}: not the leader, which is {leader}", "Another master leads; mfmesos connects to it.")
NAME_UNRESOLVED = Message(
    "name-unresolved", "{address}: the name {host!r} cannot be resolved ({why})",
    "The name is wrong, or the name server does not answer.", "correct the name, or use an IP address")
NAME_WITHOUT_ADDRESS = Message(
    "name-without-address", "no address", "The name of the master has no address.", "correct the name")
CONNECT_TIMEOUT = Message(
    "connect-timeout", "no connection within {seconds:g} s", "The machine is down, or a firewall drops packets.",
    "check the address and the firewall")
STREAM_SILENT = Message(
    "stream-silent", "{address}: no event within {seconds:g} s, not even a heartbeat",
    "The connection was lost without notice; mfmesos connects again.")
SUBSCRIBE_TIMEOUT = Message(
    "subscribe-timeout", "{address}: no answer to SUBSCRIBE within {seconds:g} s",
    "Mesos is overloaded, or the program at the address is not Mesos.", "correct the address, or wait")
CLOSED_UNANSWERED = Message(
    "closed-unanswered", "{address}: closed the connection without an answer{why}",
    "Mesos was stopped, or the program at the address is not Mesos.", "correct the address")
NOT_HTTP = Message(
    "not-http", "{address}: the answer to SUBSCRIBE is not HTTP ({why})", "The program at the address is not Mesos.",
    "correct the address")
STREAM_CLOSED = Message(
    "stream-closed", "{address}: closed the event stream", "Mesos was stopped or restarted; mfmesos connects again.")
SUBSCRIBE_REFUSED = Message(
    "subscribe-refused", "{address}: SUBSCRIBE was answered with HTTP {code}",
    "Mesos does not accept the connection.")
SUBSCRIBE_REFUSED_BECAUSE = Message(
    "subscribe-refused-because", "{address}: SUBSCRIBE was answered with HTTP {code}: {why}",
    "Mesos does not accept the connection.", "see the reason")
NOT_A_STREAM = Message(
    "not-a-stream", "not an event stream: {found!r} instead of the length of an event",
    "The program at the address is not Mesos, or a proxy changes its answers.", "correct the address")
EVENT_NOT_JSON = Message(
    "event-not-json", "{address}: an event is not JSON: {why}",
    "The program at the address is not Mesos, or a proxy changes its answers.", "correct the address")
EVENT_NOT_OBJECT = Message("event-not-object", "{kind} instead of an object", "Part of event-not-json: the reason.")
NOT_CONNECTED = Message(
    "not-connected", "not connected to a master", "The call waits until the connection is back.")
MASTER_UNKNOWN = Message("master-unknown", "no master is known", "ZooKeeper has not named a leading master yet.")
MASTER_CHANGED = Message("master-changed", "the master has changed", "Another master leads; mfmesos connects to it.")
DRIVER_FAILED = Message(
    "driver-failed", "internal error of the Mesos driver; see the log", "An error in mfmesos.",
    "report it with the end of .mfmesos/scheduler.log")
OFFERS_TOO_SMALL = Message(
    "offers-too-small", "the offers lack {amount:g} of {name}", "Mesos offered less than it reported before.")

# --- executors ---
AGENT_ERROR = Message("agent-error", "the agent reports: {why}", "The agent did not accept a call of the executor.")
AGENT_GONE = Message(
    "agent-gone", "the connection to the agent is lost and the framework does not checkpoint ({why})",
    "Executors of such frameworks end with their agent.")
AGENT_NOT_BACK = Message(
    "agent-not-back", "no connection to the agent within {seconds:g} s ({why})",
    "The agent was stopped for longer than its recovery timeout.", "start mesos-agent again")
NOT_STARTED_BY_AGENT = Message(
    "not-started-by-agent", "{names} not set: an executor is started by a Mesos agent, not by hand",
    "The executor was started outside of Mesos.", "start a run with mfmesos")
AGENT_AUTHENTICATES = Message(
    "agent-authenticates",
    "this agent requires executors to authenticate (MESOS_EXECUTOR_AUTHENTICATION_TOKEN is set), which mfmesos does "
    "not support; {cure}", "The agent's settings exclude executors of mfmesos.",
    "start mesos-agent with --no-authenticate_http_executors")
AGENT_HTTPS_ONLY = Message(
    "agent-https-only",
    "this agent supports https only (LIBPROCESS_SSL_ENABLED is set), which mfmesos does not; {cure}",
    "Executors of mfmesos talk to their agent by plain http.",
    "start mesos-agent with LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true")
