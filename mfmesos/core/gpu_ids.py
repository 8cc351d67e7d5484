"""GPUs by id: which ones a claim is opened with, and what executors report of them.

Mesos offers a number of GPUs. Which ones they are is known from the agent's attribute gpu_uuids, or from an executor
there; until then they have numbers. A claim's ids are its own among all claims of the run on its agent, and those of an
attempt are its own in the claim. A GPU that is out is given to no attempt: the claim gets another one of its agent, if
any is left.
"""
from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from mfmesos.core import tasks
from mfmesos.core.actions import SaveClaim, SaveTask
from mfmesos.core.claim_table import Claim
from mfmesos.core.ids import HeldIds, taken_from
from mfmesos.core.model import Offer, Resources, SavedClaim
from mfmesos.core.outcomes import Decision, Verdict
from mfmesos.core.records import AgentRecord, Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.shared import wire
from mfmesos.shared.devices import FAULTY, FREE, GPUS, Device, is_device_id
from mfmesos.shared.messages import resources as m

UUIDS = "gpu_uuids"
"""An attribute of agents: the ids of their GPUs, with commas or spaces between them."""


def chosen(state: State, agent: AgentRecord, size: Resources, offers: tuple[Offer, ...]) -> dict[str, tuple[str, ...]]:
    """By name, for a claim of that size on these offers."""
    ids = taken_from((offer.items for offer in offers), size)
    if size.gpus:
        ids[GPUS] = tuple(islice(_spare(state, agent), round(size.gpus)))
    return ids


def restored(state: State, saved: SavedClaim) -> HeldIds:
    """Of a claim of an earlier scheduler; those of the version before gave out no ids."""
    ids = dict(saved.ids)
    if saved.resources.gpus and GPUS not in ids:
        taken = {one for claim in state.claims if claim.agent_id[:] == (saved.cluster, saved.agent_id)
                 for one in claim.ids.of(GPUS)}
        ids[GPUS] = tuple(islice((one for one in map(str, count()) if one not in taken), round(saved.resources.gpus)))
    return HeldIds(ids)


def bounded(state: State, agent: AgentRecord, room: Resources) -> Resources:
    """What of the agent's offers a claim may have: no GPU that is out."""
    if not room.gpus:
        return room
    return room._replace(gpus=float(len(list(islice(_spare(state, agent), round(room.gpus))))))


def splits(state: State, shape: Shape) -> str:
    """The name of a set or range of which tasks of the shape want a part of an item; empty: none."""
    return next((name for name, amount in shape.others if amount != int(amount) and name in state.by_id), "")


def reported(state: State, claim: Claim, devices: tuple[Device, ...], busy_before: frozenset[str]) -> None:
    """A sync of its executor lists these; `busy_before`: what claim.busy was before this sync."""
    if devices == claim.devices and claim.busy == busy_before:
        return
    before = {device.id: device.state for device in claim.devices}
    claim.devices = devices
    agent = state.agent(claim.agent_id, claim.hostname)
    own = [device.id for device in devices if device.own]
    if own:
        claim.isolated = True
        claim.ids.settle(own[:round(claim.resources.gpus)])
        state.emit(SaveClaim(claim.saved()))
    else:
        _learn(state, agent, devices)
    for device in devices:
        if device.state == FAULTY:
            agent.faulty.setdefault(device.id, device.reason)
        if device.state not in (FREE, before.get(device.id)):
            state.note_alike("device", "warning", m.GPU_OUT(
                gpu=device.id, agent=agent.name, state=device.state, why=device.reason or device.state))
    _supply(state, agent)


def busy(state: State, claim: Claim, record: TaskRecord, result: wire.Result) -> bool:
    """Whether the attempt did not start since others use its GPUs: it runs again, uncharged, with others."""
    mine = frozenset(result.busy).intersection(claim.ids.of(GPUS))
    if result.outcome != wire.BROKEN or not mine:
        return False
    claim.busy |= mine
    tasks.carry_out(state, record, Decision(Verdict.RETRY, result.reason), result)
    _supply(state, state.agent(claim.agent_id))
    return True


def claim_gone(state: State, claim: Claim) -> None:
    """What was its own is free for other claims on its agent."""
    if claim.ids.of(GPUS):
        _supply(state, state.agent(claim.agent_id))


def out_at(state: State, claim: Claim) -> dict[str, str]:
    """The claim's GPUs that are out, and why."""
    why = {device.id: device.reason or device.state for device in claim.devices}
    faulty = state.agent(claim.agent_id).faulty
    return {one: faulty.get(one) or why.get(one, "") for one in claim.ids.of(GPUS) if one in claim.ids.out}


def _learn(state: State, agent: AgentRecord, devices: tuple[Device, ...]) -> None:
    """An executor knows the agent's GPUs by their UUIDs: so they are called from now on."""
    if devices:
        agent.gpu_ids = tuple(device.id for device in devices)
    names = {device.index: device.id for device in devices if device.index not in ("", device.id)}
    for claim in state.claims.of_agent(agent.id) if names else ():
        if claim.ids.rename(names):
            # After a restart of the scheduler a claim may have been opened with the number of one that another has.
            claim.ids.leave({one for other in state.claims.of_agent(agent.id) if other is not claim
                             for one in other.ids.of(GPUS)})
            state.emit(SaveClaim(claim.saved()))
            for record in filter(None, (tasks.current(state, claim, one) for one in claim.attempts)):
                record.rename_gpus(claim.id, names)
                state.emit(SaveTask(record.saved()))


def _known(state: State, agent: AgentRecord) -> list[str]:
    """The ids of all its GPUs, as far as known; otherwise their numbers."""
    if agent.gpu_ids:
        return list(agent.gpu_ids)
    listed = [one for one in agent.attributes.get(UUIDS, "").replace(",", " ").split() if is_device_id(one)]
    if listed:
        return listed
    whole = state.whole(agent.id) or Resources()
    here = sum(claim.resources.gpus for claim in state.claims.of_agent(agent.id)) + agent.offered().gpus
    return list(map(str, range(round(max(whole.gpus, here)))))


def _spare(state: State, agent: AgentRecord) -> Iterator[str]:
    """Those that no claim has and that are not out."""
    claims = state.claims.of_agent(agent.id)
    taken = {one for claim in claims for one in claim.ids.of(GPUS)}
    out = {device.id for claim in claims for device in claim.devices if device.state != FREE}
    in_order = sorted(_known(state, agent), key=agent.doubtful.__contains__)
    return (one for one in in_order if one not in taken and one not in out and one not in agent.faulty)


def _supply(state: State, agent: AgentRecord) -> None:
    """Something has changed about the agent's GPUs: claims get others for those that are out, if there are any."""
    for claim in state.claims.of_agent(agent.id):
        if not claim.resources.gpus:
            continue
        before = claim.free
        claim.ids.out = {*claim.busy, *agent.faulty, *(d.id for d in claim.devices if d.state != FREE)}
        _take_back(state, claim)
        if not claim.isolated:
            _exchange(state, claim, agent)
        claim.count_gpus()
        if claim.free != before:
            claim.touch()


def _take_back(state: State, claim: Claim) -> None:
    """Attempts that the executor has not received, and that have one that is out."""
    for unsent in list(claim.unsent) if claim.ids.out else ():
        record = tasks.current(state, claim, unsent)
        given = {one for part_id, part in record.part_ids() if part_id == unsent
                 for name, some in part.given if name == GPUS for one in some} if record is not None else ()
        if record is not None and not claim.ids.out.isdisjoint(given):
            tasks.take_back(state, claim, record, m.ATTEMPT_WITHOUT_GPU())


def _exchange(state: State, claim: Claim, agent: AgentRecord) -> None:
    missing = round(claim.resources.gpus) - len(claim.ids.of(GPUS))
    idle = claim.ids.idle_out()
    if not missing and not idle:
        return
    spare = list(islice(_spare(state, agent), missing + len(idle)))
    for new in spare[:missing]:
        claim.ids.add(new)
    for old, new in zip(idle, spare[max(missing, 0):]):
        claim.ids.swap(old, new)
    if spare:
        state.emit(SaveClaim(claim.saved()))
