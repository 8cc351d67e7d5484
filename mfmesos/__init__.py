"""mfmesos runs scientific workflows on Apache Mesos. This file also travels to the agents: keep it bare."""

__version__ = "0.1.0"
