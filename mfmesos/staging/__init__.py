"""The HTTP(S) server for executors: syncs, inputs out, outputs in, the executor's own archive."""
