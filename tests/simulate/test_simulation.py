"""The live core in virtual time: what it decides, and what is measured of it."""
from __future__ import annotations

import json

import pytest

from mfmesos.core.model import Request, Resources
from mfmesos.core.policy import Policy
from mfmesos.estimates.baselines import Declared, MaxSeen
from mfmesos.simulate import fairness, results
from mfmesos.simulate.baseline_needs import BaselineNeeds
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Costs, Losses, Rival
from mfmesos.simulate.simulation import Simulation
from mfmesos.simulate.workload_model import SimTask, Workload

FOUR = AgentGroup(2, Resources(4, 4096, 20000))
COSTS = Costs(start_s=1.0)


def tasks(count, seconds=10.0, **more):
    return [SimTask(i, "work", seconds, memory_mb=100.0, request=Request(1.0, 200.0, 10.0), **more)
            for i in range(1, count + 1)]


def simulated(*workloads, cluster=None, seed=1, **policy):
    """The results of runs that start with the simulation."""
    cluster = cluster or Cluster("two", (FOUR,), COSTS)
    made = [w if isinstance(w, Workload) else Workload(f"run{n}", w) for n, w in enumerate(workloads)]
    simulation = Simulation(cluster, made, Policy(**policy), seed, until_s=1e5)
    simulation.run()
    return results.as_json(simulation)


def test_a_run_takes_its_rounds_and_its_starts():
    """16 tasks of 10 s on 8 cores: two rounds, the start of the executors, and a few syncs."""
    found = simulated(tasks(16))
    (run,) = found["runs"]
    assert (run["finished"], run["failed"], run["attempts"], found["over"]) == (16, 0, 16, True)
    assert 21.0 <= run["makespan_s"] <= 21.5
    assert run["claims"]["opened"] == 2
    assert found["utilisation"]["cores"] > 0.85
    assert run["wait_s"]["most"] == pytest.approx(11.0, abs=0.3)
    assert run["core_hours"]["finished"] == pytest.approx(160 / 3600, rel=0.05)


def test_a_pass_of_the_loop_takes_its_time():
    """What comes meanwhile is handled together: 128 tasks on 64 cores, which end a millisecond apart, take half of the
    calls of the core or fewer, and hardly a longer time."""
    work = [task._replace(seconds=10.0 + task.id / 1000) for task in tasks(128)]
    large = AgentGroup(1, Resources(64, 65536, 20000))
    found = []
    for turn_s in (0.0, 0.02):
        simulation = Simulation(Cluster("one", (large,), Costs(start_s=1.0, turn_s=turn_s)), [Workload("run", work)],
                                Policy(), 1, until_s=1e5)
        simulation.run()
        found.append(simulation.runs[0].measures)
    alone, together = found
    assert together.finished == alone.finished == 128
    ticks = 2 * alone.last_s  # two a second, whatever comes
    assert together.calls - ticks < (alone.calls - ticks) / 2
    assert together.last_s < alone.last_s + 0.5


def test_the_same_seed_gives_the_same_bytes():
    """But for the real time, and another seed gives others where chance is part of it."""
    cluster = Cluster("two", (FOUR,), COSTS, Losses(every_s=40.0, noticed_s=5.0, away_s=20.0))

    def text(seed):
        found = simulated(tasks(60), tasks(30, 3.0), cluster=cluster, seed=seed)
        del found["real_time"]
        return json.dumps(found)

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_children_start_after_their_parents():
    """A chain of three takes three times as long as one task; what depends on a failed task never starts."""
    chain = [SimTask(i, "step", 10.0, parents=(i - 1,) if i > 1 else ()) for i in (1, 2, 3)]
    (run,) = simulated(chain)["runs"]
    assert 31.0 <= run["makespan_s"] <= 31.5
    large = SimTask(1, "large", 10.0, memory_mb=300.0, request=Request(1.0, 200.0))
    (run,) = simulated([large, *(t._replace(id=t.id + 1, parents=(t.id,)) for t in tasks(2))])["runs"]
    assert (run["finished"], run["failed"], run["skipped"]) == (0, 1, 2)


def test_an_exhausted_attempt_is_repeated_with_more():
    """Tasks without a request, the peak above the default and above what the claim has free."""
    work = [SimTask(i, "work", 10.0, memory_mb=1500.0) for i in range(1, 9)]
    (run,) = simulated(work)["runs"]
    assert run["finished"] == 8
    assert run["attempts"] > 8
    assert run["core_hours"]["exhausted"] > 0


def test_lost_agents():
    """Attempts on lost agents run again, and nothing is lost or counted twice."""
    cluster = Cluster("two", (FOUR,), COSTS, Losses(every_s=25.0, noticed_s=5.0, away_s=15.0))
    found = simulated(tasks(80), cluster=cluster)
    (run,) = found["runs"]
    assert found["agents_lost"] > 1
    assert run["finished"] == 80
    assert run["attempts"] > 80
    assert run["core_hours"]["lost"] > 0


def test_several_clusters():
    """One run uses all of them: agents of each, and of each those that are lost; another framework has its share of
    one.
    """
    one = Cluster("one", (FOUR,), COSTS, rivals=(Rival("beside", 6, Resources(2, 512), 20.0),))
    other = Cluster("other", (FOUR,), COSTS, Losses(every_s=25.0, noticed_s=5.0, away_s=15.0))
    (alone,) = simulated(tasks(60))["runs"]
    found = simulated(tasks(60), cluster=[one, other])
    (run,) = found["runs"]
    assert (run["finished"], found["over"], found["cores"], found["agents"]) == (60, True, 16.0, 4)
    assert run["claims"]["most"] >= 3
    assert run["makespan_s"] < 0.8 * alone["makespan_s"]
    assert found["agents_lost"] > 0
    assert found["others"][0]["finished"] == 6
    assert found["fairness"]["contended_s"] > 0.0


def test_arrivals():
    """A task that comes later is submitted later, also if the core's window was full."""
    work = [t._replace(at_s=t.id * 10.0) for t in tasks(5, 1.0)]
    (run,) = simulated(work)["runs"]
    assert run["finished"] == 5
    assert 40.0 <= run["makespan_s"] <= 43.0


def test_a_window_smaller_than_the_workload():
    """The rest is read as tasks end."""
    simulation = Simulation(Cluster("two", (FOUR,), COSTS), [Workload("w", iter(tasks(50, 1.0)))], window=10)
    simulation.run()
    assert simulation.runs[0].measures.finished == 50


@pytest.mark.parametrize("rival", [
    Rival("polite", 40, Resources(1, 64), 4.0), Rival("greedy", 40, Resources(1, 64), 4.0, suppresses=False),
    Rival("slow", 40, Resources(1, 64), 4.0, answer_s=10.0), Rival("hoarding", 4, Resources(1, 64), 4.0, keep_s=20.0)])
def test_other_frameworks(rival):
    """All of both finish, and what each lacked of its share is measured."""
    found = simulated(tasks(40, 5.0), cluster=Cluster("two", (FOUR,), COSTS, rivals=(rival,)))
    assert found["over"]
    assert found["runs"][0]["finished"] == 40
    assert found["others"][0]["finished"] == rival.tasks
    assert set(found["fairness"]["lacking"]) == {"run0", rival.name}


def test_without_end():
    """A rival whose tasks never end does not keep the simulation from ending."""
    found = simulated(tasks(8, 1.0), cluster=Cluster(
        "two", (FOUR,), COSTS, rivals=(Rival("endless", 0, Resources(1, 64), 2.0),)))
    assert found["over"]
    assert found["runs"][0]["finished"] == 8


def test_fair_shares():
    """Nobody is due more than its demand; the rest is shared by weight, and no resource is given out twice."""
    claimed = fairness.Claimed
    hungry, small = claimed((2.0, 1.0), (0.0, 0.0)), claimed((0.1, 0.2), (0.1, 0.2))
    assert fairness.fair_shares([hungry, small]) == pytest.approx([0.9, 0.2], abs=1e-6)
    assert fairness.fair_shares([hungry, hungry._replace(weight=3.0)]) == pytest.approx([0.25, 0.75], abs=1e-6)
    cores, memory = claimed((2.0, 0.5), (0.0, 0.0)), claimed((0.5, 2.0), (0.0, 0.0))
    assert fairness.fair_shares([cores, memory]) == pytest.approx([0.8, 0.8], abs=1e-6)
    assert fairness.is_contended([cores, memory])
    assert not fairness.is_contended([cores])


def test_fairness_over_time():
    """The error, Jain's index and the time until each had its share; nobody lacks anything while nothing is contended.
    """
    claimed, fair = fairness.Claimed, fairness.Fairness(2)
    nobody, first, second = claimed((0.0,), (0.0,)), claimed((2.0,), (1.0,)), claimed((2.0,), (0.0,))
    fair.look([first, nobody], 1.0, 1.0)
    assert (fair.contended_s, fair.fair_after_s) == (0.0, [0.0, None])
    fair.look([first, second], 2.0, 1.0)
    assert fair.lacks == pytest.approx([0.0, 0.5], abs=1e-6)
    assert fair.jain_sum == pytest.approx(0.5, abs=1e-6)
    fair.look([first._replace(holds=(0.5,)), second._replace(holds=(0.5,))], 4.0, 2.0)
    assert (fair.contended_s, fair.fair_after_s) == (3.0, [0.0, 2.0])
    assert fair.error_sum == pytest.approx(0.5, abs=1e-6)
    assert fair.error_most == pytest.approx(0.5, abs=1e-6)
    assert fair.jain_sum == pytest.approx(0.5 + 2.0, abs=1e-6)


def test_text_and_time_line():
    """Every number of the text is one of the JSON's."""
    found = simulated(tasks(16))
    text = "\n".join([*results.as_text(found), *results.time_line(found, "12345678")])
    assert "16 of 16 tasks finished" in text
    assert "8 cores" in text
    assert "cores in use" in text


def test_another_policy_in_the_place_of_our_estimates():
    """Max seen x 1.1: once a task has ended, the next ones get a tenth more than it used, and disk is ours."""
    work = [SimTask(i, "work", 10.0, 1.0, 500.0, 10.0, Request(1.0, 3000.0, 100.0)) for i in range(1, 17)]
    found = {}
    for baseline in (MaxSeen(1.1), Declared()):
        simulation = Simulation(
            Cluster("two", (FOUR,), COSTS), [Workload("w", work)], Policy(estimates="override"),
            needs=lambda p, chosen=baseline: BaselineNeeds(p, chosen))
        simulation.run()
        (run,) = results.as_json(simulation)["runs"]
        assert run["finished"] == 16
        found[type(baseline)] = run
    assert found[MaxSeen]["makespan_s"] < found[Declared]["makespan_s"]
    assert found[MaxSeen]["gb_hours"]["unused"] < found[Declared]["gb_hours"]["unused"]


def test_a_second_run_gets_its_share():
    """The first one holds everything, and gives back what ends; the second does not wait for its end."""
    found = simulated(Workload("first", tasks(80, 4.0)), Workload("second", tasks(16, 1.0), at_s=8.0))
    first, second = found["runs"]
    assert (first["finished"], second["finished"]) == (80, 16)
    assert second["makespan_s"] < 20.0
    assert found["fairness"]["fair_after_s"]["second"] < 10.0
    assert found["fairness"]["jain_mean"] > 0.5


@pytest.mark.parametrize("start_s", [0.8, 3.0])
def test_twenty_runs_at_once_take_turns(start_s):
    """A share of less than one core: a run that has had its turn rests until the others have had theirs. So the last
    one waits for two turns at most, although the master would serve those that revive again just as soon; and the
    first one holds no more than room for one task until its executor has started."""
    cluster = Cluster("two", (FOUR,), Costs(start_s=start_s))
    found = simulated(*(Workload(f"run{n:02}", tasks(20, 1.0), at_s=n * 0.3) for n in range(20)), cluster=cluster)
    assert {run["finished"] for run in found["runs"]} == {20}
    assert max(found["fairness"]["fair_after_s"].values()) < 9.0
    assert max(run["makespan_s"] for run in found["runs"]) < 20 * 20 / 8 * (1.2 + start_s / 2)
