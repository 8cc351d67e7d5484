"""How the core decides: what the user's settings, and tests, may choose of it."""
from __future__ import annotations

from mfmesos.core.model import Named
from mfmesos.core.needs import FILL
from mfmesos.core.sizing import Defaults
from mfmesos.shared.values import value


@value(frozen=True)
class Policy:
    """The core's settings. Times in seconds, memory in MB."""

    workdir: str = "/"
    run_id: str = "run"
    """Prefix of claim ids; unique among the runs of a framework."""
    rewrite: bool = True
    """Whether executors replace absolute paths of declared files in commands."""
    keep_partial: bool = False
    """Whether existing outputs of failed attempts are delivered."""
    keep_failed_mb: float = 0.0
    """Up to this size sandboxes of failed attempts are sent; 0: none."""
    nonce: str = ""
    """Part of the ids of all attempts of tasks submitted to this scheduler; random."""
    retries: int = 0
    cluster_retries: int = 10
    max_running: int | None = None
    max_cores: float | None = None
    """What all claims together may hold; None: no bound."""
    max_memory_mb: float | None = None
    """The same, their executors included."""
    ordering: str = "fifo"
    """Names of policies, see policies.registry."""
    placement: str = "first"
    placements: tuple[tuple[str, str], ...] = ()
    """Categories with a placement of their own, and its name."""
    counters: tuple[tuple[str, float], ...] = ()
    """What the run has of licences and the like, by name, whichever agents its tasks run on."""
    by_category: tuple[tuple[str, float, str, Named], ...] = ()
    """Category; GPUs, their type (empty: any) and other resources of its tasks that do not state any."""
    planned_start: str = "easy"
    offers: str = "polite"
    arrival_rate: float | None = None
    """Tasks per second that may start for the first time, on average; None: no bound."""
    per_task_claims: bool = False
    whole_agent_claims: bool = False
    """Whether a claim's memory and disk are rounded up to the part of the agent that goes with its cores."""
    executor_memory_mb: float = 96.0
    defaults: Defaults = Defaults()
    estimates: str = FILL
    """OFF; FILL: estimate what was not requested; OVERRIDE: estimate requested resources, too."""
    retry_budget: float = 2.0
    """Expected attempts, per 100 tasks, that exhaust an estimate."""
    batch_delay_s: float = 0.03
    """Tasks arrive one by one: wait this long for more before a claim is sized."""
    claim_idle_s: float = 5.0
    claim_worklife_s: float = 3600.0
    hold_s: float = 20.0
    """The longest that a sync is held."""
    launch_timeout_s: float = 60.0
    """A claim that has not synced for this long is reconciled; after twice that it is given up."""
    silence_note_s: float = 7.0
    """A claim with work that has not synced for `hold_s` and this is reported to the user."""
    silence_s: float = 60.0
    """The same for a claim that has synced before: reconciled after this, given up after `silence_lost_s`."""
    silence_lost_s: float = 600.0
    release_s: float = 15.0
    """A released claim that does not end is killed after this, and forgotten after twice that."""
    starting_s: float = 8.0
    """The same for a claim that has not synced yet: it has nothing to lose."""
    refuse_s: float = 600.0
    refuse_wanted_s: float = 5.0
    """The same while tasks wait: an agent's free resources may be too small now and sufficient soon."""
    gpus: bool = True
    """Whether the run is offered GPUs: Mesos offers them only to frameworks that asked for them at their start."""
    list_wait_s: float = 1.0
    """An offer that looks like a crumb is kept until the master has listed its agents, at most this long."""
    away_s: float = 600.0
    """How long a task may wait for an agent that is away."""
    unsatisfiable_s: float = 5.0
    drain_after_s: float = 20.0
    """A task that fits no claim, because all are too small, waits this long before claims are drained for it."""
    kill_grace_s: float = 5.0
    executor_deaths: int = 3
    """A task fails when its executor has ended by itself this many times while the task ran alone in it."""
    avoid_s: float = 10.0
    """How long an agent is avoided after its third failure in a row; doubles with each further one."""
    full_pause_s: float = 10.0
    """After the workflow's folder was found full, nothing new starts for this long."""
    launch_failures: int = 12
    """The run is given up after this many claims in a row that ended before their first sync; or after a quarter of
    them if that takes `launch_give_up_s`.
    """
    launch_give_up_s: float = 300.0
    remakes: int = 3
    """A task runs again this many times since its temporary outputs were lost; after that their readers fail."""
    bring_s: float = 3.0
    """A task waits this long for room where its temporary inputs are; after that they are brought in."""
    send_s: float = 300.0
    """A claim that ends is held back this long at most until it has sent its temporary outputs."""
    reconcile_s: float = 900.0

    @property
    def limits_starts(self) -> bool:
        """Whether tasks may have to wait although there is room."""
        return self.max_running is not None or self.arrival_rate is not None
