"""Which framework is offered what: the allocator of Mesos, without I/O."""
