"""The stub that makeflow and work_queue_factory start as their scheduler under mfmesos. It only waits; the launcher's
scheduler does the work.

Copied to a file of the required name, and run by /usr/bin/python, which may be Python 2.7 or 3: standard library only.
It closes inherited descriptors (an open one would keep Open MPI's daemon alive), and ends with its parent, or when the
parent signals the end.
"""
import os
import signal
import sys
import time


# As in link_script.py: each of the two is copied as one file and runs without the package, so they share nothing.
def close_leaked():  # type: () -> None
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        numbers = list(range(3, 256))
    for number in numbers:
        if number > 2:
            try:  # noqa: SIM105 - runs on Python 2, too
                os.close(number)
            except OSError:
                pass


def name_of(pid):  # type: (int) -> str
    try:
        with open("/proc/" + str(pid) + "/comm") as f:
            return f.read().strip()
    except (IOError, OSError):  # noqa: UP024 - on Python 2 they differ
        return ""


def main():  # type: () -> None
    parent = os.getppid()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    close_leaked()
    done = os.path.join(sys.argv[1] if len(sys.argv) > 1 else ".", "mesos_done")
    if name_of(parent) not in ("makeflow", "work_queue_fact"):  # the kernel cuts names to 15 characters
        return  # the parent has ended already
    while os.getppid() == parent and not os.path.exists(done):
        time.sleep(0.2)  # noticing the end this late does no harm


if __name__ == "__main__":
    main()
