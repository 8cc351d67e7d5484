"""Launchers of the real makeflow and work_queue_factory: find, start with a scheduler, supervise, clean up."""
