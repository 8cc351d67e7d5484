"""Deliveries of attempts: from the received tar to the final names in the workflow's folder."""
from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mfmesos.core.model import StagedInput
from mfmesos.shared import wire
from mfmesos.shared.apart import set_apart
from mfmesos.shared.disk import remove_tree
from mfmesos.shared.messages import sharedfs as shared
from mfmesos.shared.messages import staging as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.samehost import Folder, folder_of
from mfmesos.shared.sharedfs import placed_stem
from mfmesos.shared.wire_checks import WireError
from mfmesos.staging.incoming import LeadsOut, Unpacker, unpack
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.names import OutputPlan, check_attempt, plan_outputs
from mfmesos.staging.publish_errors import PublishError, not_stored
from mfmesos.staging.publishing import publish
from mfmesos.staging.received import (
    OLD,
    WHOLE,
    Received,
    attempt_of,
    check_plain,
    is_placed,
    number_of,
    owner_of,
    stem_of,
)
from mfmesos.staging.stamps import members_of
from mfmesos.staging.tarstream import BadTar

log = logging.getLogger("mfmesos.staging")
MOST_BESIDE = 1000


@dataclass
class Attempt:
    """A running attempt of a claim, and its deliveries."""

    id: str
    claim: str
    plan: OutputPlan
    inputs: tuple[StagedInput, ...]
    received: Received | None = None
    problem: PublishError | None = None
    """Why its outputs cannot be published, if this machine is at fault."""
    may_place: bool = False
    """Whether its executor may have put outputs into the incoming folder by itself."""


class Deliveries:
    """The attempts that may deliver. Methods are for the loop's thread, unless they are marked as blocking."""

    def __init__(self, workdir: Path, own_files: Sequence[str] = (), inputs: InputIndex | None = None) -> None:
        self._workdir = workdir
        self._inputs = inputs or InputIndex(workdir)
        self._links = self._inputs.links
        self._own_files = own_files
        self._incoming = workdir / ".mfmesos" / "incoming"
        self._attempts: dict[str, Attempt] = {}
        self._numbers = itertools.count(1)
        self._members: dict[str, dict[str, tuple[str, ...]]] = {}
        self._published: dict[str, Received] = {}
        """By attempt: delivered separately and published, but the task is not reported yet."""
        self._beside: set[str] = set()
        """Folders of outputs on the file system of deliveries."""
        self._kept: dict[str, str] = {}
        """Attempt id -> stem of a complete delivery to an earlier scheduler."""
        self._shared = bool(self._inputs.in_place.folder(str(workdir / ".mfmesos")))
        """Whether all executors may place outputs in the incoming folder by themselves."""
        self._found: set[str] = set()
        """Attempts whose executors have placed outputs for an earlier scheduler."""

    def start(self, resume: bool = False) -> None:
        """Create the folder for deliveries. Leftovers of a crashed scheduler are removed; with `resume` complete
        deliveries are kept.
        """
        found = list(self._incoming.iterdir()) if self._incoming.exists() else []
        stems = [path.name[:-len(WHOLE)] for path in found if path.name.endswith(WHOLE)] if resume else []
        self._kept = {attempt_of(stem): stem for stem in stems}
        self._numbers = itertools.count(1 + max(map(number_of, stems), default=0))
        for path in found:
            placed = resume and is_placed(path.name)  # by an executor that is still running
            if placed:
                self._found.add(attempt_of(owner_of(path.name)))
            if (owner_of(path.name) not in stems and not placed) or path.name.endswith(OLD):
                remove_tree(str(path))
        self._incoming.parent.mkdir(parents=True, exist_ok=True)
        set_apart(self._incoming.parent)
        self._incoming.mkdir(mode=0o700, exist_ok=True)

    def forget_kept(self) -> None:
        """Remove deliveries to an earlier scheduler from attempts that got no new permit."""
        unwanted = set(self._kept.values())
        for path in self._incoming.iterdir():
            stem = owner_of(path.name)
            if stem in unwanted or (is_placed(path.name) and attempt_of(stem) not in self._attempts):
                remove_tree(str(path))
        self._kept.clear()

    def stop(self) -> None:
        """Remove all deliveries that were not published."""
        for attempt_id in list(self._attempts):
            self.withdraw_permit(attempt_id)
        remove_tree(str(self._incoming))

    @property
    def folder(self) -> Path:
        """The folder for deliveries."""
        return self._incoming

    # --- permits --------------------------------------------------------------------------------
    def permit(self, claim_id: str, attempt_id: str, inputs: Sequence[StagedInput], outputs: Sequence[str]) -> Attempt:
        """Raises names.NameRefused for invalid outputs, ValueError for an invalid id."""
        attempt = Attempt(check_attempt(attempt_id), claim_id, plan_outputs(self._workdir, outputs), tuple(inputs),
                          may_place=self._shared or attempt_id in self._found)
        self.withdraw_permit(attempt_id)
        self._attempts[attempt_id] = attempt
        stem = self._kept.pop(attempt_id, None)
        if stem is not None:
            attempt.received = Received(f"{self._incoming}/{stem}", attempt.plan, alone=True, resumed=True)
        return attempt

    def get(self, claim_id: str, attempt_id: str) -> Attempt | None:
        """The attempt, if that claim runs it."""
        attempt = self._attempts.get(attempt_id)
        return attempt if attempt is not None and attempt.claim == claim_id else None

    def find(self, attempt_id: str) -> Attempt | None:
        return self._attempts.get(attempt_id)

    def withdraw_permit(self, attempt_id: str) -> Attempt | None:
        """Remove the attempt's deliveries, and accept no more from it."""
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is not None and attempt.received is not None:
            attempt.received.discard()
        elif attempt is not None and attempt.may_place:
            self._placed(attempt).clear()
        return attempt

    def close_claim(self, claim_id: str) -> None:
        """Complete deliveries of its attempts may still be published; no attempt of the claim may deliver any more."""
        for attempt in [a for a in self._attempts.values() if a.claim == claim_id]:
            if attempt.received is None and attempt.problem is None and attempt.plan.roots:
                del self._attempts[attempt.id]

    # --- deliveries -----------------------------------------------------------------------------
    def unpack_result(self, attempt: Attempt | None, result: wire.Result) -> Received | None:
        """Unpack the outputs in a result, to be committed. Blocking; for any thread.

        An invalid tar makes the result BROKEN, with the reason. An error of this machine's disk is kept, and raised
        when the outputs are published, even if it kept the executor from delivering.
        """
        if attempt is not None and attempt.problem is not None and result.outcome == wire.BROKEN:
            result.outcome, result.reason = wire.FINISHED, ""
        if result.placed and attempt is not None and result.outcome == wire.FINISHED:
            return self._look_at_placed(attempt, result)
        try:
            if result.tar is not None and attempt is not None and result.outcome in (wire.FINISHED, wire.FAILED):
                return self._unpack(attempt, result.tar_bytes() or b"", result.outcome == wire.FAILED)
        except LeadsOut as e:
            if attempt is not None and result.outcome == wire.FINISHED:
                attempt.problem = PublishError(str(e), True)
        except (BadTar, WireError) as e:
            if result.outcome == wire.FINISHED:
                result.outcome, result.reason = wire.BROKEN, m.OUTPUTS_DAMAGED(why=e)
        except OSError as e:
            if attempt is not None and result.outcome == wire.FINISHED:
                attempt.problem = not_stored(e, self._incoming)
        finally:
            result.tar = None
        return None

    def _unpack(self, attempt: Attempt, data: bytes, partial: bool) -> Received:
        try:
            return unpack(self._new_stem(attempt), attempt.plan, data, partial)
        except FileNotFoundError:
            self._make_again()
            return unpack(self._new_stem(attempt), attempt.plan, data, partial)

    def folder_for(self, attempt: Attempt) -> Folder | None:
        """Where an executor on this machine may put the attempt's outputs by itself; None: nowhere."""
        if self._inputs.late:  # otherwise digests are needed, which are made of what is sent
            with contextlib.suppress(OSError):
                found = folder_of(placed_stem(str(self._workdir), attempt.id), self._inputs.digests)
                attempt.may_place = attempt.may_place or found is not None
                return found
        return None

    def _placed(self, attempt: Attempt) -> Received:
        return Received(placed_stem(str(self._workdir), attempt.id), attempt.plan)

    def _look_at_placed(self, attempt: Attempt, result: wire.Result) -> Received | None:
        """Outputs that the executor has put into the incoming folder: files and folders, all of them, and no links.
        Otherwise the result becomes BROKEN, with the reason.
        """
        received = self._placed(attempt)
        if attempt.received is not None and attempt.received.stem == received.stem:
            return None  # the result was sent before
        try:
            if not attempt.may_place:
                raise OSError(0, m.OUTPUTS_NOT_RECEIVED())
            for index in range(len(attempt.plan.roots)):
                check_plain(received.path(index))
            return received
        except OSError as e:
            result.outcome, result.reason = wire.BROKEN, shared.SHARED_PLACED_BAD(why=plain(e, cure=False))
            return None

    def unpacker(self, attempt: Attempt, partial: bool = False, hashing: bool = False) -> Unpacker:
        """For a stream of outputs; `commit` the result of its `finish`."""
        self._make_again()
        return Unpacker(self._new_stem(attempt), attempt.plan, partial, hashing)

    def commit(self, attempt: Attempt, received: Received, alone: bool = False) -> bool:
        """Keep this delivery instead of an earlier one; False if the attempt's permit was withdrawn meanwhile.

        `alone`: keep it also for the next scheduler, since the executor will not send it again.
        """
        if self._attempts.get(attempt.id) is not attempt:
            received.discard()
            return False
        if attempt.received is not None:
            attempt.received.discard()
            attempt.received = None
        if received.links:
            try:
                self._links.add(attempt.plan.roots)
            except OSError as e:
                attempt.problem = not_stored(e, self._incoming)
                received.discard()
                return True
        attempt.received, attempt.problem = replace(received, alone=True) if alone else received, None
        if alone:
            with contextlib.suppress(OSError):  # then it is sent again
                os.close(os.open(received.mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return True

    def _make_again(self) -> None:
        """Make the folder for deliveries again if somebody has removed it."""
        if not os.path.isdir(self._incoming):
            with contextlib.suppress(FileExistsError):
                self._incoming.mkdir(mode=0o700)

    def _new_stem(self, attempt: Attempt) -> str:
        return f"{self._incoming}/{stem_of(attempt.id, next(self._numbers))}"

    # --- publishing -----------------------------------------------------------------------------
    def take(self, attempt_id: str) -> Received | None:
        """The delivery to publish, None if there is none; the attempt is forgotten. Raises PublishError."""
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is None:
            raise PublishError(m.OUTPUTS_NOT_RECEIVED(), False)
        if attempt.problem is not None:
            raise attempt.problem
        if attempt.received is None and attempt.plan.names:
            raise PublishError(m.OUTPUT_NOT_DELIVERED(name=attempt.plan.names[0]), False)
        if attempt.received is not None and attempt.received.alone:
            self._published[attempt_id] = attempt.received
        return attempt.received

    def publishes_quickly(self, attempt_id: str) -> bool:
        """Whether `publish` only renames files: no output is a folder, and none goes to another file system."""
        attempt = self._attempts.get(attempt_id)
        if attempt is None or attempt.received is None:
            return True
        if attempt.received.resumed or attempt.received.folders:
            return False
        return all(self._is_beside(os.path.dirname(name)) for name in attempt.received.plan.roots)

    def _is_beside(self, folder: str) -> bool:
        """Whether a folder of the workflow is on the file system of deliveries. Remembered, since renames find out
        anyway; one that does not exist yet is made while its outputs are published.
        """
        if folder in self._beside:
            return True
        try:
            beside = os.stat(self._workdir / folder).st_dev == os.stat(self._incoming).st_dev
        except OSError:
            return True  # `publish` reports that at once, if need be
        if beside:
            if len(self._beside) >= MOST_BESIDE:
                self._beside.clear()
            self._beside.add(folder)
        return beside

    def publish(self, received: Received | None) -> None:
        """Blocking; may run in any thread. Raises PublishError."""
        if received is None:
            return
        if not received.partial:
            try:
                self._members[received.attempt_id] = self._members_in(received)
            except OSError as e:
                received.discard()
                raise not_stored(e, self._incoming) from None
        publish(self._workdir, received, self._own_files)
        for name, hashed in received.published():
            self._inputs.learn(name, hashed)
        if received.is_placed:
            for name in received.plan.roots:
                self._inputs.learn(name, None)

    def _members_in(self, received: Received) -> dict[str, tuple[str, ...]]:
        """The members of each output folder. Written to the mark before the first file is moved, since the next
        scheduler finds only the remaining files. Raises OSError.
        """
        if not (received.folders or received.resumed):
            return {}
        if received.resumed:
            with contextlib.suppress(OSError, ValueError), open(received.mark, encoding="ascii") as f:
                return {name: tuple(members) for name, members in json.load(f).items()}
        found = {name: members_of(received.path(index)) for index, name in enumerate(received.plan.roots)
                 if os.path.isdir(received.path(index))}
        if received.alone and found:
            with open(received.mark, "w", encoding="ascii") as f:
                json.dump(found, f)
        return found

    def members(self, attempt_id: str) -> Mapping[str, tuple[str, ...]]:
        """By output folder, what a published attempt made in it; until its task is settled."""
        return self._members.get(attempt_id, {})

    def publish_partial(self, attempt: Attempt) -> None:
        """Publish the outputs of a failed attempt; an error is only logged. Blocking."""
        received = attempt.received
        if received is None or not received.partial:
            return
        attempt.received = None
        try:
            self.publish(received)
        except PublishError as e:
            log.warning("event=partial attempt=%s: %s", attempt.id, e.reason)
            received.discard()

    def settle(self, attempt_id: str) -> None:
        """Its task was reported: the next scheduler does not need its outputs."""
        self._members.pop(attempt_id, None)
        received = self._published.pop(attempt_id, None)
        if received is not None:
            received.settle()
