"""Messages of mfmesos/local: the embedded cluster as a command. Its answers to frameworks are in Mesos's own words and
not in this table."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

CLUSTER_ERROR = Message(
    "cluster-error", "mfmesos: {why}", "Why `mfmesos cluster` did not start.", "correct its options")
NEGATIVE_AMOUNT = Message(
    "negative-amount", "--{name} must not be negative, but is {value:g}", "An amount of a resource is invalid.",
    "give a positive number")
TOO_FEW_AGENTS = Message(
    "too-few-agents", "--agents must be 1 or more, but is {value}", "A cluster needs an agent.",
    "give a positive number")
PORT_OUT_OF_BOUNDS = Message(
    "port-out-of-bounds", "--port must be between 0 and 65535, but is {value}", "The port is invalid.",
    "give another port, or 0 for a free one")
AMOUNT_OUT_OF_BOUNDS = Message(
    "amount-out-of-bounds", "--{name}: {value:g} is not {bounds}", "The value of an option is out of bounds.",
    "give a number within the bounds")
RESOURCES_MALFORMED = Message(
    "resources-malformed", "--resources: {value} is not a list of resources",
    "An entry is no name with a number, a range or a set, a name is given twice, or a number is out of bounds.",
    "give for example 'cpus:2;licences:3;ports:[31000-31099]'")
ATTRIBUTES_MALFORMED = Message(
    "attributes-malformed", "--attributes: {value} is not a list of attributes",
    "An entry is not NAME:VALUE, or a name is given twice.", "give for example 'rack:r1;gpu_type:a100'")
CLUSTER_READY = Message(
    "cluster-ready", "mfmesos: cluster at {master}: {agents}, each with {resources}", "The cluster accepts frameworks.")
CLUSTER_OPEN = Message(
    "cluster-open", "mfmesos: no --secret-file: every process of this user, but of no other, may use the cluster",
    "The cluster runs tasks for any process of this user.", "use --secret-file to require a secret")
PORT_UNUSABLE = Message(
    "port-unusable", "cannot listen on port {port}: {why}; {cure}",
    "Another program listens on the port, or it is reserved.", "choose another --port")
CLUSTER_SECRET_EXPOSED = Message(
    "cluster-secret-exposed", "{path}: other users can read this secret; {cure}",
    "The file given with --secret-file is readable or writable by the group or by others.", "run chmod 600 {path}")
CLUSTER_SECRET_UNREADABLE = Message(
    "cluster-secret-unreadable", "{path}: cannot read the secret ({why}); {cure}",
    "The file given with --secret-file does not exist, or this user may not read it.",
    "correct --secret-file or the permissions of the file")
CLUSTER_SECRET_MALFORMED = Message(
    "cluster-secret-malformed", "{path}: not a principal and a secret; {cure}",
    "The file given with --secret-file has the wrong form.", "write one line PRINCIPAL:SECRET")
