"""python -m mfmesos.scheduler: the scheduler process; `mfmesos.start` is how our own launchers start it."""
from mfmesos.scheduler.daemon import leave, main

leave(main())
