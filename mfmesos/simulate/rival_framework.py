"""A simple framework beside ours: tasks that are alike, each a Mesos task, and manners of its own."""
from __future__ import annotations

import math
from collections.abc import Sequence

from mfmesos.allocation.amounts import Amounts
from mfmesos.simulate.cluster_model import Costs, Rival
from mfmesos.simulate.simulated_master import SimAgent, SimMaster, SimOffer, amounts_of
from mfmesos.simulate.virtual_time import VirtualTime


class RivalFramework:
    def __init__(self, rival: Rival, master: SimMaster, costs: Costs, time: VirtualTime) -> None:
        self.rival, self.master, self._costs, self._time = rival, master, costs, time
        self.left: float = rival.tasks or math.inf
        self.running = self.finished = 0
        self.last_s = 0.0
        self._each = amounts_of(rival.size)
        self._tasks: dict[int, SimAgent] = {}
        self._number = 0
        self.began = False
        time.at(rival.at_s, self._start)

    @property
    def over(self) -> bool:
        """Whether all its tasks have ended; those without end never do."""
        return not self.left and not self.running

    def holds(self) -> Amounts:
        return self._framework.holds if self.began else Amounts()

    def _start(self) -> None:
        self.began = True
        self._framework = self.master.subscribe(self.rival.name, self.rival.role, self)

    def offered(self, offers: Sequence[SimOffer]) -> None:
        made = list(offers)
        self._time.after(self.rival.answer_s, lambda: self._answer(made))

    def _answer(self, offers: list[SimOffer]) -> None:
        for offer in offers:
            if offer.id in self.master.offers:
                self._use(offer)
        if not self.left and self.rival.suppresses and not self._framework.suppressed:
            self.master.suppress(self._framework)

    def _use(self, offer: SimOffer) -> None:
        """As many tasks as fit; an offer that is of no use is declined, at once or later. Mesos's filter is for what an
        accepted offer leaves over as well.
        """
        room, count = offer.amounts, 0
        most = min(self.left, self._arrived(), self._left_at(offer.agent))
        while most > count and room.contains(self._each):
            room, count = room - self._each, count + 1
        if count:
            self.master.take_back(offer)
            self._framework.filters.add(offer.agent.id, room, self.rival.refuse_s, self._time.now)
            for _ in range(count):
                self._launch(offer.agent)
        elif self.rival.keep_s:
            self._time.after(self.rival.keep_s, lambda: self.master.decline(offer, self.rival.refuse_s))
        else:
            self.master.decline(offer, self.rival.refuse_s)

    def _left_at(self, agent: SimAgent) -> float:
        """Tasks that it may start there."""
        here = sum(where is agent for where in self._tasks.values()) if self.rival.per_agent else 0
        return self.rival.per_agent - here if self.rival.per_agent else math.inf

    def _arrived(self) -> float:
        """Tasks that have arrived and have not started."""
        rate, started = self.rival.arrivals_per_s, self.running + self.finished
        return int((self._time.now - self.rival.at_s) * rate) + 1 - started if rate else math.inf

    def _launch(self, agent: SimAgent) -> None:
        self._number += 1
        number = self._number
        self.left -= 1
        self.running += 1
        self._tasks[number] = agent
        self.master.hold(self._framework, agent, self._each)
        start_s = self._costs.start_s if self.rival.start_s is None else self.rival.start_s
        self._time.after(start_s + self.rival.seconds, lambda: self._end(number, True))

    def _end(self, number: int, finished: bool) -> None:
        agent = self._tasks.pop(number, None)
        if agent is None:
            return
        self.running -= 1
        if finished:
            self.finished += 1
            self.last_s = self._time.now
        else:
            self.left += 1
        self.master.let_go(self._framework, agent, self._each)
        if not finished and self._framework.suppressed:
            self.master.revive(self._framework)

    def rescinded(self, offer: SimOffer) -> None:
        """It answers later, and finds the offer gone."""

    def agent_lost(self, agent: SimAgent) -> None:
        for number in [n for n, where in self._tasks.items() if where is agent]:
            self._end(number, False)

    def agent_back(self, agent: SimAgent) -> None:
        """Its tasks have been counted as lost."""
