"""Which managers exist, from what the catalog and the managers report and do not report."""
from __future__ import annotations

import asyncio
from dataclasses import replace

from mfmesos.engines.catalog import Found, SourceError
from mfmesos.engines.manager import Access, Answer, Gone, Listed, Password, Unreachable
from mfmesos.engines.pool_worker import Identity
from mfmesos.engines.survey import ASK_AGAIN_S, CATALOG_MOST_S, IDLE_MOST_S, STALE_S, Survey, View
from mfmesos.settings.pool_settings import PoolSettings
from mfmesos.shares.pool_values import ManagerStatus, ProjectSettings

ONE = ManagerStatus("p", "h", 1, tasks_waiting=3, heard_at=1.0)
BUSY = Answer(None)
SETTINGS = PoolSettings({"p": ProjectSettings()}, catalog="c:9")


class World:
    """A catalog and managers with answers that the tests set; time passes by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.catalog: list[ManagerStatus] | SourceError = [ONE]
        self.answers: dict[int, Answer | Exception] = {1: BUSY}
        self.accesses: list[Access] = []
        self.asked = 0
        self.asked_ports: list[int] = []
        self.looks = 0
        self.catalog_takes_s = 0.0
        self.survey = Survey(lambda: self.now, self.ask, self.read)

    async def ask(self, host: str, port: int, access: Access, passwords: tuple[Password, ...]) -> Answer:
        self.accesses.append(access)
        self.asked += 1
        self.asked_ports.append(port)
        answer = self.answers[port]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, host: str, port: int) -> Found:
        self.looks += 1
        self.now += self.catalog_takes_s
        if isinstance(self.catalog, SourceError):
            raise self.catalog
        return Found(tuple(self.catalog), ("catalog: record 9 is ignored",))

    def look(self, after: float = 1.0, settings: PoolSettings = SETTINGS) -> View:
        self.now += after
        return asyncio.run(self.survey.look(settings))


def test_a_manager_s_own_words_win() -> None:
    """A manager's own answer is newer than the catalog's record; of a busy manager the last answer counts."""
    world = World()
    own = replace(ONE, tasks_waiting=8)
    world.answers[1] = Answer(own, {Identity(1, 2, 3): Listed(1, 1)})
    view = world.look()
    assert view == View((own,), {own.key: {Identity(1, 2, 3): Listed(1, 1)}}, "", ("catalog: record 9 is ignored",),
                        {own.key: 1.0})
    world.answers[1] = BUSY
    view = world.look()
    assert (view.managers, view.workers[own.key]) == ((own,), None)


def test_one_that_tells_the_catalog_alone() -> None:
    """With another password, or behind a firewall, the catalog's record counts."""
    for answer in (BUSY, Unreachable("no route")):
        world = World()
        world.answers[1] = answer
        assert world.look().managers == (ONE,)


def test_one_that_is_gone() -> None:
    """Nothing listens: the manager is gone, whatever the catalog lists; so is one that answered before and no longer
    does."""
    world = World()
    world.answers[1] = Gone("nobody")
    assert world.look().managers == ()
    world.answers[1] = BUSY
    assert world.look().managers == (ONE,)
    world.answers[1] = Unreachable("no route")
    assert world.look().managers == ()


def test_one_that_cannot_be_reached_is_asked_seldom() -> None:
    """Each try may take seconds: once a minute, and its record counts meanwhile; when it answers, each time again."""
    world = World()
    world.answers[1] = Unreachable("no route")
    for _ in range(40):
        assert world.look().managers == (ONE,)
    assert world.asked == 1
    own = replace(ONE, tasks_waiting=8)
    world.answers[1] = Answer(own, {})
    assert world.look(ASK_AGAIN_S).managers == world.look().managers == (own,)
    assert world.asked == 3


def test_a_stale_record() -> None:
    """A manager that does not answer and that the catalog no longer lists is gone; while the catalog is down no record
    gets older."""
    world = World()
    world.answers[1] = Unreachable("no route")
    assert world.look().managers == (ONE,)
    world.catalog = SourceError("catalog c:9: refused")
    view = world.look(10 * STALE_S)
    assert (view.managers, view.problem) == ((ONE,), "catalog c:9: refused")
    world.catalog = [replace(ONE, heard_at=2.0)]
    assert world.look().managers == (ONE,)
    assert world.look(STALE_S - 5).managers == (ONE,)
    assert world.look(10.0).managers == ()


def test_a_manager_that_the_catalog_forgets() -> None:
    """One that answers itself stays; one that does not goes."""
    world = World()
    own = replace(ONE, tasks_waiting=1)
    other = ManagerStatus("p", "h", 2)
    world.catalog = [ONE, other]
    world.answers.update({1: Answer(own, {}), 2: Unreachable("no route")})
    assert world.look().managers == (own, other)
    world.catalog = []
    assert world.look().managers == (own,)


def test_the_catalog_is_spared() -> None:
    """It is asked once a second when it answers at once, seldom when that takes long, and never by --manager."""
    world = World()
    for _ in range(10):
        world.look(1.0)
    assert world.looks == 10
    world.catalog_takes_s = 1.0
    world.look(1.0)
    world.look(CATALOG_MOST_S / 2)
    assert world.looks == 11
    world.look(CATALOG_MOST_S / 2)
    assert world.looks == 12
    world.answers[7] = Answer(ONE, {})
    world.look(100.0, replace(SETTINGS, manager="h:7"))
    assert world.looks == 12


def test_only_those_that_are_served() -> None:
    """By project, and by the worker that is named, if one is."""
    world = World()
    vine = ManagerStatus("p", "h", 2, worker="vine_worker")
    world.catalog = [ONE, vine, ManagerStatus("q", "h", 3)]
    world.answers.update({2: BUSY})
    assert world.look().managers == (ONE, vine)
    assert world.look(settings=replace(SETTINGS, workers=("/opt/bin/vine_worker",))).managers == (vine,)
    assert world.look(settings=replace(SETTINGS, workers=("/opt/bin/my_worker",))).managers == (ONE, vine)


def test_one_manager_without_a_catalog() -> None:
    """Each thing that may be wrong with it is one line."""
    world = World()
    alone = PoolSettings({"p": ProjectSettings()}, manager="h:7")
    world.answers[7] = BUSY
    assert "does not report what it needs" in world.look(settings=alone).problem
    world.answers[7] = Answer(replace(ONE, port=7), {})
    assert [m.key for m in world.look(settings=alone).managers] == ["p h:7"]
    world.answers[7] = BUSY
    assert [m.key for m in world.look(settings=alone).managers] == ["p h:7"]
    world.answers[7] = Gone("manager h:7: nothing is listening there")
    assert world.look(settings=alone).problem == "manager h:7: nothing is listening there"
    world.answers[7] = Answer(replace(ONE, project="q"), {})
    assert "'q' is not among those" in world.look(settings=alone).problem


def test_idle_managers_are_asked_seldom() -> None:
    """Each second while there are tasks; without, less often, down to once in five seconds; with a new task at once."""
    world = World()
    world.answers[1] = Answer(replace(ONE, tasks_waiting=1), {})
    for _ in range(10):
        world.look(1.0)
    assert world.asked == 10
    world.answers[1] = Answer(replace(ONE, tasks_waiting=0), {})
    for _ in range(60):
        world.look(1.0)
    before = world.asked
    for _ in range(50):
        assert [m.tasks for m in world.look(1.0).managers] == [0]
    assert world.asked - before == 50 / IDLE_MOST_S
    world.answers[1] = Answer(replace(ONE, tasks_waiting=7), {})
    for _ in range(int(IDLE_MOST_S)):
        view = world.look(1.0)
    assert [m.tasks for m in view.managers] == [7]


def test_many_idle_managers_are_asked_in_turn() -> None:
    """Of 200, found at once, each round asks 40; each is asked once in five seconds."""
    world = World()
    world.catalog = [replace(ONE, port=port, tasks_waiting=0) for port in range(1, 201)]
    world.answers = {port: Answer(replace(ONE, port=port, tasks_waiting=0), {}) for port in range(1, 201)}
    for _ in range(60):
        world.look(1.0)
    for _ in range(5):
        before = world.asked
        assert len(world.look(1.0).managers) == 200
        assert world.asked - before == 40


def test_many_busy_managers_are_asked_in_turn() -> None:
    """Of 200 with tasks each round asks 40, evenly."""
    world = World()
    world.catalog = [replace(ONE, port=port) for port in range(1, 201)]
    world.answers = {port: Answer(replace(ONE, port=port), {}) for port in range(1, 201)}
    for _ in range(10):
        before = world.asked
        assert len(world.look(1.0).managers) == 200
        assert world.asked - before == 40
    assert {world.asked_ports.count(port) for port in range(1, 201)} == {2}


def test_one_that_refuses_us_is_asked_once_a_minute() -> None:
    """Its reason is passed on, and the catalog's record counts; with --manager the reason is the problem."""
    world = World()
    world.answers[1] = world.answers[7] = Answer(None, refuses="it requires a password")
    for _ in range(50):
        assert [(m.tasks_waiting, m.refuses) for m in world.look().managers] == [(3, "it requires a password")]
    assert world.asked == 1
    world.answers[1] = Answer(ONE, {})
    assert [m.refuses for m in world.look(ASK_AGAIN_S).managers] == [""]
    alone = PoolSettings({"p": ProjectSettings()}, manager="h:7")
    asked = world.asked
    for _ in range(50):
        assert world.look(settings=alone).problem == "it requires a password"
    assert world.asked == asked + 1


def test_one_that_says_nothing_is_asked_less_and_less() -> None:
    """What listens may be no manager, and each question may count as a lost worker there."""
    world = World()
    for _ in range(300):
        world.look(1.0)
    assert world.asked < 15


def test_tls_from_the_record() -> None:
    """The record says whether a manager has TLS; how it was asked at last is how it is asked again."""
    world = World()
    world.catalog = [replace(ONE, ssl=True, protocol=13)]
    found = Access(True, Password("/pw", b"x"), tls_possible=False)
    world.answers[1] = Answer(ONE, {}, found)
    world.look()
    world.look()
    assert world.accesses == [Access(True, tls_possible=False), found]


def test_a_record_s_worker_has_our_password_and_tls() -> None:
    """A manager that cannot be asked may have a password: its workers get the first that we have."""
    world = World()
    world.answers[1] = Unreachable("no route")
    view = world.look(settings=replace(SETTINGS, passwords=("/no/such",), ssl=True))
    assert [(m.password, m.ssl) for m in view.managers] == [("/no/such", True)]


def test_when_the_workers_were_looked_at() -> None:
    """An idle manager is asked seldom: in between, its list is as old as the last question."""
    world = World()
    idle = replace(ONE, tasks_waiting=0)
    world.catalog, world.answers[1] = [idle], Answer(idle, {})
    looked_at, asked = [], []
    for _ in range(40):
        before = world.asked
        looked_at.append(world.look().looked_at[idle.key])
        asked.append(world.now if world.asked > before else looked_at[-1])
    assert looked_at == asked
    assert len(set(looked_at)) < 25
