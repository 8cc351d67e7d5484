"""What is left of an agent's offers while it is planned which tasks its claim is opened for. Only reads the state."""
from __future__ import annotations

from mfmesos.core import constraints, gpu_ids, spots, trust
from mfmesos.core.model import Resources
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.state import State


class OfferedRoom:
    def __init__(self, state: State, agent: AgentRecord) -> None:
        self._state, self._agent = state, agent
        own = Resources(memory_mb=state.policy.executor_memory_mb)
        offered = gpu_ids.bounded(state, agent, (agent.offered() - own).at_least_zero())
        self._total = offered.bounded(*state.left_to_claim())
        self._spot = spots.offered(state, agent)._replace(free=self._total, total=self._total)
        self._shut = agent.avoid_until > state.now or any(
            offer.unavailable_from is not None for offer in agent.offers.values())
        self.changes = 0

    @property
    def free(self) -> Resources:
        return self._spot.free

    def need(self, shape: Shape) -> Resources:
        return self._state.allocation(shape, self._total, self._agent.id)

    def fits(self, shape: Shape) -> bool:
        """Whether one more task does, and may start there."""
        return (self.need(shape).fits_in(self._spot.free) and self.may_start(shape)
                and constraints.left_to_open(self._state, shape, self._agent.id, self._spot.taken) > 0)

    def may_start(self, shape: Shape) -> bool:
        """Whatever its constraints, and what is free."""
        return not (self._shut or trust.shunned(self._state, shape, self._agent.id)
                    or gpu_ids.splits(self._state, shape))

    def cost(self, shape: Shape) -> float | None:
        """None: it does not fit, or may not start there."""
        return self._state.placement(shape).cost(self._spot, self.need(shape)) if self.fits(shape) else None

    def take(self, shape: Shape) -> None:
        need = self.need(shape)
        spot = self._spot
        taken = dict(spot.taken)
        for one in shape.where:
            if one.op == "takes":
                taken[one.attribute] = taken.get(one.attribute, 0.0) + float(one.value)
        self._spot = spot._replace(free=spot.free - need, used=spot.used + need, tasks=spot.tasks + 1, taken=taken)
        self.changes += 1
