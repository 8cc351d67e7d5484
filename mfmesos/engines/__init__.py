"""Where tasks come from and results go: task files of makeflow and work_queue_factory, the batch runner, the pool."""
