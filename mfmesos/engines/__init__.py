"""Sources of tasks: the task files of makeflow and work_queue_factory, the batch runner, the pool."""
