"""The page of a run: a process of its own, which reads the record and asks the scheduler over the control socket."""
