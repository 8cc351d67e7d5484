"""The scheduler process: wires the core to Mesos, the executors, the stores and an engine."""
