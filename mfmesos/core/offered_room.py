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
        self._needs: dict[Shape, Resources | None] = {}
        self.changes = 0

    @property
    def free(self) -> Resources:
        return self._spot.free

    def need(self, shape: Shape) -> Resources | None:
        """What one of its tasks gets; None: none may start there, whatever is free and whatever its constraints."""
        if shape not in self._needs:
            state, agent = self._state, self._agent.id
            barred = self._shut or trust.shunned(state, shape, agent) or gpu_ids.splits(state, shape)
            self._needs[shape] = None if barred else state.allocation(shape, self._total, agent)
        return self._needs[shape]

    def fits(self, shape: Shape) -> Resources | None:
        """What one more task gets; None: it does not fit, or may not start there."""
        need = self.need(shape)
        if need is None or not need.fits_in(self._spot.free):
            return None
        left = constraints.left_to_open(self._state, shape, self._agent.id, self._spot.taken) if shape.where else 1
        return need if left > 0 else None

    def cost(self, shape: Shape) -> float | None:
        """None: it does not fit, or may not start there."""
        need = self.fits(shape)
        return None if need is None else self._state.placement(shape).cost(self._spot, need)

    def take(self, shape: Shape) -> None:
        """Plan one of its tasks, which fits."""
        need, spot = self.need(shape), self._spot
        assert need is not None
        taken = dict(spot.taken)
        for one in shape.where:
            if one.op == "takes":
                taken[one.attribute] = taken.get(one.attribute, 0.0) + float(one.value)
        self._spot = spot._replace(free=spot.free - need, used=spot.used + need, tasks=spot.tasks + 1, taken=taken)
        self.changes += 1
