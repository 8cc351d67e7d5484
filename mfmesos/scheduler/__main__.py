"""python -m mfmesos.scheduler: the scheduler process. The launchers start it through `mfmesos.start`."""
from mfmesos.scheduler.daemon import leave, main

leave(main())
