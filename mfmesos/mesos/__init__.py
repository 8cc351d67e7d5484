"""The hardened pymesos drivers: the only room that speaks to Mesos."""
from mfmesos import bundled

bundled.use()
