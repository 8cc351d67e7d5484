"""The protocol between executor and scheduler, in both directions.

This module is used on both sides and travels to the agents: standard library only, Python 3.8 or newer.

An executor serves one claim. The executor always sends the first message; the scheduler never connects to it. With
--peer-transfers, executors also fetch inputs from each other: see peer_wire.py.

    POST /claims/{claim}/sync                      SyncRequest -> SyncAnswer (held open while there is no answer)
    GET  /claims/{claim}/files/{digest}            an input of an attempt that this claim was given, nothing else;
                                                   not an input with a URL, which the executor fetches from there
                                                   with ?place=1 only where a large one lies on the scheduler's
                                                   machine, for executors that run there, see samehost.py
    POST /claims/{claim}/files                     many small ones of them in one answer, see mfmesos.shared.batches
    GET  /claims/{claim}/attempts/{attempt}/outputs  where an executor on that machine may put them by itself,
                                                   or nothing; its result is then `placed`
    PUT  /claims/{claim}/temporary/{digest}        the content of a temporary output for which an answer asked
    PUT  /claims/{claim}/attempts/{attempt}/outputs  one tar stream with every output of the attempt; with
                                                   ?partial=1 the existing outputs of a failed attempt, for a run
                                                   with keep_partial; with ?digests=1 the answer is a JSON object:
                                                   output -> its digest as an input (see Input)
    PUT  /claims/{claim}/attempts/{attempt}/sandbox  a tar stream with the sandbox of a failed attempt, for a run with
                                                   keep_failed_mb, before its result (failed_sandboxes.py)

Every request carries `Authorization: Bearer TOKEN`, the claim's own token. A sync is level-triggered: it reports the
complete state (all running attempts, all unacknowledged results), so a lost request, a lost answer or a restarted
scheduler loses nothing. An attempt that is named twice runs once, since an attempt id is never used twice.

The streams of outputs and of input folders are tar (ustar, with GNU's long names or pax) with two additions (see
tarmarks.py): the owner's name holds the nanoseconds of a member's modification time (without it the time is unknown),
and a pax record announces a sparse file in the outputs: the full size, then offset and length of each piece of data;
the member's content is these pieces.

The scheduler holds at most one sync per claim: when a newer sync arrives, the scheduler answers the older one at once
with `superseded`. A sync whose `seq` is not larger than an earlier one is late and gets the same answer.

PROTOCOL counts up when an executor that ignores new fields would do something wrong. A sync names the executor's. After
an update of mfmesos in the middle of a run, executors of the version before still sync: their claims are released, and
nothing else in their syncs counts. So every version understands `seq`, `got` and `protocol` of a sync, and `release`
and `superseded` of an answer.
"""
from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from mfmesos.shared import kept_files
from mfmesos.shared.devices import MOST_DEVICES, Device, is_device_id, load_device
from mfmesos.shared.kept_files import Kept
from mfmesos.shared.log_pieces import MOST_PIECES, Piece, Wanted, load_piece, load_wanted
from mfmesos.shared.phrases import printable
from mfmesos.shared.wire_checks import WireError, check, fields_of, is_code, is_id, is_number, parsed, plain_text

PROTOCOL = 2
MAX_DEPTH = 200
"""Components in the name of a member of an output."""
FOLDER_GONE = 85
"""The executor's exit code when the folder of its claim was removed."""
INLINE_OUTPUTS_BYTES = 64 * 1024
"""A tar stream of outputs up to this size travels in the result itself; a larger stream is PUT first."""
TAIL_BYTES = 16 * 1024
"""A result carries at most this many bytes from the end of a task's stdout, and of its stderr."""
MOST_SLICES = 1000


@dataclass
class ClaimData:
    """The executor's settings; travels as JSON in TaskInfo.data. Never logged: it holds the token."""

    url: str
    """URL of the staging server, e.g. http://10.0.0.7:40123 (no trailing slash)."""
    claim: str
    token: str
    fingerprint: str | None = None
    """SHA-256 of the server's certificate in DER form, hex; None for plain http on loopback."""
    memory_mb: float = 0.0
    """Memory of the whole claim for tasks, without the executor's own memory."""
    disk_mb: float = 0.0
    cores: float = 0.0
    give_up_s: float = 900.0
    """Seconds that the executor keeps running and trying while the scheduler does not answer."""
    deserted_s: float = 60.0
    """The same when nothing listens at the scheduler's port, at least; longer if more work would be lost."""
    kill_grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL to the processes of an attempt."""
    umask: int = -1
    """The umask of tasks, from the user who runs the workflow; -1: the agent's umask."""
    gpus: float = 0.0
    protocol: int = PROTOCOL
    peer_secret: str = ""
    """From which the tokens of this claim's inputs are derived, see peer_wire.py; empty: no peer transfers, and then
    the executor does not listen.
    """
    peer_pem: str = ""
    """Key and certificate for its peers; empty where the staging server does not use TLS, either."""
    others: dict[str, float] = field(default_factory=dict)
    """Other scalars of Mesos that the claim holds, by name."""
    slices: list[list[float]] = field(default_factory=list)
    """The parts of it that can be given back alone, numbered from 1: cores, memory and disk of each."""


@dataclass
class Input:
    """One input of an attempt. `name` is relative to the task's working folder (it may begin with ../) or absolute; the
    executor puts an absolute input inside the sandbox and rewrites its path in the command.
    """

    name: str
    digest: str
    """sha256, hex: of a file's content, or of a directory's manifest; with a `tag` of where it lies, tag and size."""
    size: int
    """Bytes; for a directory the sum of its files; -1: unknown, of a file on a web server."""
    mode: int = 0o644
    kind: str = "file"
    """"file" or "dir"; a dir is served as one tar stream of its content, without the folder's own name."""
    shared: bool = True
    """Whether other attempts need the same input, so that a copy in the claim's cache is worthwhile."""
    mtime_ns: int = 0
    """Modification time of the content; 0: unknown. A folder's stream holds the time of each member."""
    sparse: bool = False
    """Whether the file has holes: long runs of zeros need not be written."""
    url: str = ""
    """The file is fetched from this web server, not from the scheduler. May hold secrets."""
    tag: str = ""
    """Version of a file whose sha256 is unknown: on a web server (shared.webrequest.Version), or large and in place."""
    late: bool = False
    """`digest` is a name of this version; the content's sha256 follows it when it is fetched (staging/late.py)."""
    temporary: bool = False
    """Whether it is a temporary output: the scheduler may not have it."""
    in_place: str = ""
    """Its path in a shared folder, where it is used: a name that is not absolute gets a symbolic link."""
    content: str = ""
    """The content, in base64, of a small file, which need not be fetched then; it must have the digest."""


@dataclass
class Run:
    """An attempt to run. Units: cores, MB (2**20 bytes), seconds."""

    attempt: str
    command: str
    inputs: list[Input]
    outputs: list[str]
    workdir: str
    """The workflow's folder on the scheduler's side; `workdir/NAME` of a declared file is rewritten in the command."""
    cores: float
    memory_mb: float
    disk_mb: float
    limit_memory_mb: float | None = None
    """Enforced if given, but see `most_memory_mb`. Without a limit only the claim as a whole is guarded."""
    limit_disk_mb: float | None = None
    limit_wall_s: float | None = None
    env: dict[str, str] = field(default_factory=dict)
    rewrite: bool = True
    """Whether absolute paths of declared files are replaced in the command by their paths in the sandbox."""
    gpus: float = 0.0
    most_memory_mb: float | None = None
    """If `limit_memory_mb` is an estimate: usage may exceed the estimate up to this while the claim has free memory."""
    most_disk_mb: float | None = None
    shared: dict[str, str] = field(default_factory=dict)
    """The shared folders that it needs, and the name of the marker in each (empty: none)."""
    place: str = ""
    """The workflow's folder is shared: each root of the outputs is put at this path and its number, if possible."""
    stay: list[str] = field(default_factory=list)
    """Outputs in shared folders outside of the workflow's folder: the command writes them itself."""
    keep_partial: bool = False
    """If the attempt fails, deliver its existing outputs before its result."""
    copies: bool = False
    """Whether it needs its own copies of its inputs: an attempt of its category wrote to an input."""
    keep: list[str] = field(default_factory=list)
    """Outputs that later tasks read, as far as known: large ones stay in the claim's cache while there is room."""
    temporary: list[str] = field(default_factory=list)
    """Outputs that are not delivered: they stay in the cache until the scheduler drops them."""
    discard: list[str] = field(default_factory=list)
    """Outputs that are neither delivered nor kept: the scheduler has them from an earlier attempt."""
    others: dict[str, float] = field(default_factory=dict)
    """Other resources of Mesos, by name; of sets and ranges the number of items."""
    given: dict[str, list[str]] = field(default_factory=dict)
    """The ids that are the attempt's alone: of items of sets and ranges by name, of GPUs as "gpus" (see devices)."""
    keep_failed_mb: float = 0.0
    """If the attempt fails or exceeds a limit, its sandbox is sent, up to this size; 0: it is not."""


@dataclass
class Usage:
    """Measured usage of an attempt: peak memory and disk in MB; cores = cpu seconds / seconds when it could run."""

    memory_mb: float = 0.0
    disk_mb: float = 0.0
    cores: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    wait_s: float = 0.0
    """Total seconds that its threads were ready but had no CPU because other processes computed."""
    gpu_memory_mb: float = 0.0
    """Peak on its GPUs together; 0: unknown, or none."""


FINISHED = "finished"  # exit code 0, and every output exists and was delivered
FAILED = "failed"  # by itself: exit code, signal, missing output
EXHAUSTED = "exhausted"  # over a limit: `resource` names it
KILLED = "killed"  # by request of the scheduler, or because the claim ended
BROKEN = "broken"  # failed by the cluster: an input could not be fetched, the agent's disk is full, ...
OUTCOMES = (FINISHED, FAILED, EXHAUSTED, KILLED, BROKEN)


@dataclass
class Result:
    """The end of an attempt. `reason` is one plain line for the user, empty if finished."""

    attempt: str
    outcome: str
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    resource: str | None = None
    """With EXHAUSTED: "memory", "disk" or "wall"."""
    missing_outputs: list[str] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    """The last TAIL_BYTES of each stream, decoded with errors replaced."""
    usage: Usage = field(default_factory=Usage)
    final: bool = False
    """A retry cannot succeed, on any agent."""
    wrote_input: str = ""
    """With BROKEN: the name of an input that it shared with others and that was changed while it ran, probably by
    itself; it needs another attempt, with `copies`.
    """
    lacks: str = ""
    """With BROKEN: a shared folder of the attempt that the agent does not have."""
    busy: list[str] = field(default_factory=list)
    """With BROKEN: those of its GPUs that others use. It did not start, and runs again, uncharged, with others."""
    placed: bool = False
    """The outputs lie where Run.place says, or where the scheduler said on its own machine, all of them."""
    outside: bool = False
    """With BROKEN: the cause may lie outside of the cluster, so the agent is not blamed."""
    tar: str | None = None
    """Small outputs as a base64 tar stream (up to `INLINE_OUTPUTS_BYTES`); None: PUT before, or no outputs. With
    FAILED: the existing outputs, for a run with `keep_partial`.
    """
    kept: list[Kept] = field(default_factory=list)

    def tar_bytes(self) -> bytes | None:
        """The inline outputs; raises WireError for invalid base64."""
        if self.tar is None:
            return None
        try:
            return base64.b64decode(self.tar, validate=True)
        except ValueError as e:
            raise WireError(f"outputs of attempt {self.attempt} are not base64: {e}") from None


@dataclass
class SyncRequest:
    seq: int
    """Counts up from 1 within the claim, one for each request that is not a repetition."""
    got: int = 0
    """Number of the last answer that was received and carried out; 0 for none."""
    running: list[str] = field(default_factory=list)
    """Every accepted attempt that is not in `results`."""
    results: list[Result] = field(default_factory=list)
    """Every result that is not yet in an answer's `acked`, except results in an earlier unanswered sync. Such an
    attempt counts as running meanwhile, and its result is sent again if that answer is lost or empty.
    """
    memory_mb: float = 0.0
    """Current memory usage of all processes of the claim, the executor included."""
    disk_mb: float = 0.0
    free_disk_mb: float = -1.0
    """Free space of the file system under the sandbox; -1: unknown."""
    closing: bool = False
    """The executor is about to end (SHUTDOWN, KILL, gave up) and accepts no more attempts."""
    lacking: list[str] = field(default_factory=list)
    """Digests that an answer's `send` named and that the claim does not have."""
    protocol: int = PROTOCOL
    """Of the executor; executors of protocol 1 do not say so."""
    slices: list[int] = field(default_factory=list)
    """Numbers of the slices that have not been given back."""
    printed: list[Piece] = field(default_factory=list)
    """What an answer's `show` asked for."""
    devices: list[Device] = field(default_factory=list)
    """All GPUs that the executor of a claim with GPUs knows, in each sync: a device that is not named is free again."""


@dataclass
class SyncAnswer:
    number: int = 0
    """Counts up within the claim; the executor repeats it as `got`."""
    acked: list[str] = field(default_factory=list)
    """Acknowledged attempts: forget their results, remove their sandboxes."""
    run: list[Run] = field(default_factory=list)
    kill: list[str] = field(default_factory=list)
    release: bool = False
    """End the claim now: kill the attempts, remove all files, report TASK_FINISHED, exit."""
    superseded: bool = False
    """No content: a newer sync of the same claim has replaced this one."""
    send: list[str] = field(default_factory=list)
    """Digests of temporary outputs to PUT to the scheduler, since a task elsewhere needs them."""
    drop: list[str] = field(default_factory=list)
    """Temporary outputs that nobody needs any more, as "ATTEMPT DIGEST" (see kept_files.pin)."""
    pins: list[str] | None = None
    """From a scheduler that resumed the claim: all temporary outputs of acknowledged attempts that are needed, as in
    `drop`; the others are dropped. None: no statement.
    """
    give_back: list[int] = field(default_factory=list)
    """Slices whose Mesos tasks end now, since other frameworks wait; their room is free."""
    show: list[Wanted] = field(default_factory=list)
    """The next sync shows what these attempts have printed."""
    over: bool = False
    """With `release`: the run ends, nobody waits for the room: report first, then remove."""


_ENCODER = json.JSONEncoder(default=vars, separators=(",", ":"))


def dumps(message: Any) -> bytes:
    """A message (any dataclass of this module) as JSON bytes."""
    return _ENCODER.encode(message).encode()


def load_result(data: Any) -> Result:
    """A Result from decoded JSON, every field checked; raises WireError."""
    result: Result = fields_of(Result, data, "result")
    check(is_id(result.attempt), "result", "attempt is not an id")
    where = f"result of {result.attempt}"
    check(result.outcome in OUTCOMES, where, f"unknown outcome {str(result.outcome)[:40]!r}")
    for text in (result.reason, result.stdout, result.stderr, result.wrote_input, result.lacks):
        check(isinstance(text, str), where, "reason, stdout, stderr, wrote_input and lacks are text")
    for number in (result.exit_code, result.signal):
        check(number is None or is_code(number), where, "exit_code and signal are whole numbers")
    check(result.resource in (None, "memory", "disk", "wall"), where, "resource is memory, disk or wall")
    for flag in (result.final, result.outside, result.placed):
        check(isinstance(flag, bool), where, "final, outside and placed are true or false")
    check(isinstance(result.busy, list) and all(map(is_device_id, result.busy)), where, "busy is a list of devices")
    check(result.tar is None or isinstance(result.tar, str), where, "tar is base64 text")
    gone = result.missing_outputs
    check(isinstance(gone, list) and all(isinstance(n, str) for n in gone), where, "missing_outputs is a list of names")
    # Everyone with the token can send this text: no line breaks, no terminal controls.
    result.reason = printable(plain_text(result.reason), 0, instead=" ")
    result.wrote_input = printable(plain_text(result.wrote_input), 0, instead=" ")
    result.stdout, result.stderr = plain_text(result.stdout), plain_text(result.stderr)
    result.missing_outputs = [plain_text(n) for n in result.missing_outputs]
    usage: Usage = fields_of(Usage, result.usage, where)
    check(isinstance(result.kept, list), where, "kept is a list")
    check(all(map(kept_files.is_kept, result.kept)), where, "kept holds name, digest and size of outputs")
    result.kept = [fields_of(Kept, kept, where) for kept in result.kept]
    check(all(is_number(v) and v >= 0 for v in vars(usage).values()), where, "usage: numbers from 0 on")
    result.usage = usage
    return result


def load_sync_request(raw: bytes) -> SyncRequest:
    """Parse and check a sync of an executor; raises WireError. Of another protocol only `seq`, `got` and `protocol` are
    read.
    """
    data = parsed(raw, "sync", bounded=True)
    if isinstance(data, dict):
        data.setdefault("protocol", 1)
    request: SyncRequest = fields_of(SyncRequest, data, "sync")
    for number in (request.seq, request.got):
        check(isinstance(number, int) and 0 <= number < 1 << 63, "sync", "seq and got: whole numbers from 0 on")
    check(is_code(request.protocol), "sync", "protocol: a whole number")
    if request.protocol != PROTOCOL:
        return SyncRequest(request.seq, request.got, protocol=request.protocol)
    for value in (request.memory_mb, request.disk_mb, request.free_disk_mb):
        check(is_number(value), "sync", "memory_mb, disk_mb, free_disk_mb: numbers")
    check(isinstance(request.running, list) and all(map(is_id, request.running)), "sync",
           "running is a list of attempt ids")
    check(isinstance(request.results, list), "sync", "results is a list")
    check(isinstance(request.lacking, list) and all(map(kept_files.is_digest, request.lacking)), "sync",
           "lacking is a list of digests")
    check(isinstance(request.slices, list) and all(isinstance(n, int) and 0 < n < MOST_SLICES for n in request.slices),
          "sync", "slices is a list of numbers")
    check(isinstance(request.printed, list) and len(request.printed) <= MOST_PIECES, "sync", "printed is a list")
    request.printed = list(map(load_piece, request.printed))
    check(isinstance(request.devices, list) and len(request.devices) <= MOST_DEVICES, "sync", "devices is a list")
    request.devices = list(map(load_device, request.devices))
    request.results = [load_result(r) for r in request.results]
    return request


def load_sync_answer(raw: bytes) -> SyncAnswer:
    """Parse the scheduler's answer; raises WireError."""
    answer: SyncAnswer = fields_of(SyncAnswer, parsed(raw, "answer"), "answer")
    runs = []
    for item in answer.run:
        run: Run = fields_of(Run, item, "run")
        run.inputs = [fields_of(Input, i, f"input of {run.attempt}") for i in run.inputs]
        runs.append(run)
    answer.run = runs
    answer.show = list(map(load_wanted, answer.show))
    return answer


def load_claim_data(raw: bytes) -> ClaimData:
    """Parse TaskInfo.data; raises WireError."""
    data: ClaimData = fields_of(ClaimData, parsed(raw, "claim data"), "claim data")
    check(data.protocol == PROTOCOL, "claim data", f"protocol {data.protocol}, this executor speaks {PROTOCOL}")
    return data
