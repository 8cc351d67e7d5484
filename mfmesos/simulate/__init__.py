"""The live core in virtual time, against simulated agents and Mesos's allocator."""
