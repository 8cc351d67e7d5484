"""The hardened pymesos drivers: the only place that speaks to Mesos."""
from mfmesos import bundled

bundled.use()
