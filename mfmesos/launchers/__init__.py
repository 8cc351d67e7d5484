"""The real makeflow and work_queue_factory: found, started beside our scheduler, supervised, cleaned up after."""
