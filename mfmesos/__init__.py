"""mfmesos runs scientific workflows on Apache Mesos. This file also travels to the agents: keep it bare."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`mfmesos.Pool`, imported only where it is used."""
    if name == "Pool":
        import importlib

        return importlib.import_module("mfmesos.launchers.pool_process").Pool
    raise AttributeError(name)
