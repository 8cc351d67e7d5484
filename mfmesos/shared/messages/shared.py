"""Messages of mfmesos/shared: addresses, odd files, and what to do about errors of the operating system. This module
travels to the agents: Python 3.8 or newer."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- addresses ---
NOT_V6 = Message(
    "not-v6", "{text!r} is not [IPv6 ADDRESS] or [IPv6 ADDRESS]:PORT", "An address in brackets is not valid.")
NOT_HOST_PORT = Message(
    "not-host-port", "{text!r} is neither HOST:PORT nor an IPv6 address", "The address has several colons.")
NOT_A_PORT = Message(
    "not-a-port", "{text!r}: {port!r} is not a port (0 to 65535)", "The part after the colon is not valid.")
NOT_HOST_AND_PORT = Message(
    "not-host-and-port", "{address!r} is not an address: HOST:PORT is expected, with a port from 1 to 65535",
    "The address of a master or agent is not valid.")

# --- files ---
A_FOLDER = Message("a-folder", "a folder", "Part of other messages.")
A_PIPE = Message("a-pipe", "a pipe", "Part of other messages.")
A_SOCKET = Message("a-socket", "a socket", "Part of other messages.")
A_DEVICE = Message("a-device", "a device", "Part of other messages.")
A_FILE_OR_DEAD_LINK = Message("a-file-or-dead-link", "a file, or a link to nowhere", "Part of other messages.")
STATE_NOT_A_FOLDER = Message(
    "state-not-a-folder", "{path}: this is {what}, not a folder; mfmesos keeps its own files there; {cure}",
    "Something else has the name of the run's own folder.", "move it away")
STATE_ODD_FILE = Message(
    "state-odd-file", "{path}: this is {what}; this folder is for mfmesos's own files; {cure}",
    "The run's own folder holds only files and folders, since opening a pipe would block for ever.", "remove it")

# --- what to do about an error of the system ---
_CURE = "Part of other messages: what to do about an error of the operating system."
CHECK_RIGHTS = Message(
    "check-rights", "check that you may use it", _CURE)
CHECK_NAME = Message(
    "check-name", "check that the name is right", _CURE)
NAME_A_FILE = Message(
    "name-a-file", "name a file, not a folder", _CURE)
LINK_LOOP = Message(
    "link-loop", "symbolic links form a loop", _CURE)
SHORTER_NAME = Message(
    "shorter-name", "choose a shorter name", _CURE)
FREE_SPACE = Message(
    "free-space", "free some space", _CURE)
OTHER_FOLDER = Message(
    "other-folder", "use another folder", _CURE)
RAISE_ULIMIT = Message(
    "raise-ulimit", "raise ulimit -n", _CURE)
TRY_LATER = Message(
    "try-later", "try again later", _CURE)
OTHER_PORT = Message(
    "other-port", "choose another port", _CURE)
OWN_ADDRESS = Message(
    "own-address", "name an address of this machine", _CURE)
STALE_FILE = Message(
    "stale-file", "the file server no longer knows it: change to the folder again", _CURE)
SEE_DMESG = Message(
    "see-dmesg", "see the kernel's log: dmesg", _CURE)

# --- the error itself, in a sentence about an output ---
_WORDS = "Part of other messages: an error of the scheduler's machine."
DISK_IS_FULL = Message(
    "disk-is-full", "the disk is full", _WORDS)
QUOTA_USED_UP = Message(
    "quota-used-up", "the disk quota is used up", _WORDS)
PERMISSION_DENIED = Message(
    "permission-denied", "permission is denied", _WORDS)
NOT_PERMITTED = Message(
    "not-permitted", "it is not permitted", _WORDS)
READ_ONLY = Message(
    "read-only", "the file system is read-only", _WORDS)
DISK_FAILED = Message(
    "disk-failed", "the disk failed", _WORDS)
MANY_OPEN_FILES = Message(
    "many-open-files", "too many files are open (see ulimit -n)", _WORDS)
MANY_OPEN_FILES_HERE = Message(
    "many-open-files-here", "too many files are open on this machine", _WORDS)
