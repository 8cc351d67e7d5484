"""Turns the user's settings into the settings of the scheduler's parts."""
from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path

from mfmesos.core.actions import OpenClaim
from mfmesos.core.core import Core
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.mesos.master_link import FrameworkSettings
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.settings.config import SchedulerConfig, read_secret
from mfmesos.settings.folders import cache_folder
from mfmesos.shared import wire
from mfmesos.shared.disk import umask
from mfmesos.shared.phrases import printable
from mfmesos.shared.resource_texts import table
from mfmesos.staging.archive import Archive, build_archive
from mfmesos.staging.server import StagingServer
from mfmesos.store import framework

LABEL = 200
"""Characters."""


def policy_of(config: SchedulerConfig) -> Policy:
    """The core's policy."""
    return Policy(
        workdir=config.workdir, run_id=secrets.token_hex(3), nonce=secrets.token_hex(3), retries=config.retries,
        max_running=config.max_running, max_cores=config.max_cores, max_memory_mb=config.max_memory_mb,
        placement=config.placement, placements=tuple(sorted(config.placements.items())),
        counters=tuple(sorted(config.counters.items())), by_category=table(config.category_resources),
        ordering=config.ordering, planned_start=config.planned_start,
        offers=config.offers, arrival_rate=config.arrival_rate,
        per_task_claims=config.claims == "per-task", claim_idle_s=config.claim_idle_s,
        whole_agent_claims=config.claims == "whole-agent",
        claim_worklife_s=config.claim_worklife_s, estimates=config.estimates, retry_budget=config.retry_budget,
        unsatisfiable_s=config.unsatisfiable_s, rewrite=config.rewrite,
        gpus=config.gpus or wants_gpus(config),
        keep_partial=config.engine == "makeflow", keep_failed_mb=config.keep_failed_mb)


def wants_gpus(config: SchedulerConfig) -> bool:
    """Whether tasks of some category do."""
    return any(wanted[0] for wanted in config.category_resources.values())


def core_of(config: SchedulerConfig) -> Core:
    """The core, with its log if there is to be one."""
    policy = policy_of(config)
    if not config.event_log:
        return Core(policy, needs_for(policy))
    from mfmesos.eventlog.logged_core import LoggedCore

    return LoggedCore(policy, needs_for(policy), config.state_dir)


def archive_of(config: SchedulerConfig) -> Archive:
    """The executor's archive, in the run's folder. Raises ArchiveError, OSError."""
    cache = cache_folder(os.environ)
    return build_archive(config.state_dir, cache / "executor" if cache else None)


def framework_of(config: SchedulerConfig) -> FrameworkSettings:
    """The framework's settings, with the id of an earlier scheduler of this run. Raises ConfigError for the secret."""
    known = framework.load(config.state_dir)
    workflow = (("mfmesos.workflow", printable(config.workflow, LABEL)),) if config.workflow else ()
    return FrameworkSettings(
        name=f"{config.name} {Path(config.workdir).name}", user=config.user, hostname=socket.gethostname(),
        role=config.role, principal=config.principal, secret=read_secret(config.secret_file),
        framework_id=known.id if known else None, gpus=config.gpus or wants_gpus(config),
        webui_url=config.webui_url, labels=(
            ("mfmesos.user", getpass.getuser()), ("mfmesos.host", socket.gethostname()),
            ("mfmesos.folder", printable(config.workdir, LABEL)), ("mfmesos.engine", config.engine), *workflow))


def claim_labels(views: CoreViews, claim: OpenClaim) -> tuple[tuple[str, str], ...]:
    """For the Mesos tasks of a claim, besides those of the framework."""
    names = ", ".join(views.opened_for(claim.claim_id))
    return (("mfmesos.categories", printable(names, LABEL)),) if names else ()


def claim_data(claim: OpenClaim, staging: StagingServer) -> bytes:
    """What its executor gets, with a token of its own."""
    token = staging.open_claim(claim.claim_id)
    peer_secret, peer_pem = staging.peer_keys(claim.claim_id)
    size = claim.resources
    return wire.dumps(wire.ClaimData(
        url=staging.url, claim=claim.claim_id, token=token, fingerprint=staging.fingerprint, memory_mb=size.memory_mb,
        disk_mb=size.disk_mb, cores=size.cores, gpus=size.gpus, umask=umask(), peer_secret=peer_secret,
        peer_pem=peer_pem, others=dict(size.others), slices=[list(part[:3]) for part in claim.slices]))
