"""The script that `mfmesos link` puts beside makeflow. makeflow or work_queue_factory starts it with CWD and MASTER and
an empty environment, and it starts the scheduler as its child. If the scheduler dies or does not start, the script ends
the engine, which would wait for ever, and has the folder cleaned. Runs on Python 2.7 and 3, standard library only.
"""
# ruff: noqa: RUF005, SIM105, UP031 - Python 2 has no better way
import os
import signal
import sys
import time

interpreter = ""
arguments = [""]

ENGINES = ("makeflow", "work_queue_fact")  # the kernel cuts names to 15 characters
CRASHED = 70
LOOK_S = 0.1
ENDS_WITHIN_S = 15.0
OUTLIVES_S = 8.0
TIDIES_WITHIN_S = 60.0
# Messages, filled in by `mfmesos link` as the two above.
ENDED = ""
KILLED = ""
BROKEN = ""
NO_PYTHON = ""
EXIT = ""
ENGINE = os.getppid()
STATE = os.path.join(sys.argv[1] if len(sys.argv) > 1 else ".", "mesos_task_state")


def read(path):  # type: (str) -> str
    if not os.path.isfile(path):
        return ""  # a pipe would block
    try:
        with open(path) as f:
            return f.read()
    except (IOError, OSError, ValueError):  # noqa: UP024 - on Python 2 they differ
        return ""


def engine_lives():  # type: () -> bool
    return os.getppid() == ENGINE and read("/proc/%d/comm" % ENGINE).startswith(ENGINES)


# As in makeflow_stub.py: each of the two is copied as one file and runs without the package, so they share nothing.
def close_leaked():  # type: () -> None
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        numbers = list(range(3, 256))
    for number in numbers:
        if number > 2:
            try:
                os.close(number)
            except OSError:
                pass


def engine_ends():  # type: () -> bool
    """Whether the engine ends soon after its scheduler ended in order: after the workflow, or by a signal."""
    begun = time.time()
    while engine_lives():
        if time.time() - begun > OUTLIVES_S:
            return False
        time.sleep(LOOK_S)  # not a child of this process: nothing reports its end
    return True


def have_state():  # type: () -> None
    """Create the state file: without it makeflow ignores signals."""
    try:
        os.close(os.open(STATE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
    except OSError:
        pass


def start(more, environ):  # type: (list[str], dict[str, str]) -> int
    """Start the scheduler with these arguments behind CWD and MASTER; returns the pid."""
    child = os.fork()
    if child:
        return child
    try:
        os.execve(interpreter, [interpreter] + arguments + ["--makeflow"] + sys.argv[1:3] + more, environ)
    except OSError as error:
        sys.stderr.write(NO_PYTHON % (interpreter, error.strerror) + "\n")
        sys.stderr.flush()
    os._exit(127)


def wait(child, within_s=None):  # type: (int, float | None) -> int | None
    """The status of a child that has ended; None if the engine ended first (the child then ends by itself), or after
    `within_s`.
    """
    begun = time.time()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if os.getppid() != ENGINE if within_s is None else time.time() - begun > within_s:
            return None
        time.sleep(LOOK_S)  # waits for two processes, one of which is not a child of this process


def why(status):  # type: (int) -> str
    """The reason in one line, for the terminal."""
    if not status:
        return ENDED
    if os.WIFSIGNALED(status):
        return KILLED % os.WTERMSIG(status)
    last = [line for line in read("/proc/self/fd/2").splitlines() if line.strip()][-1:]
    if last and last[0].startswith("mfmesos: "):
        return last[0][len("mfmesos: "):]
    return BROKEN % ("".join(last) or EXIT % os.WEXITSTATUS(status))


def terminal():  # type: () -> tuple[int, bool]
    """makeflow's own stderr, since this process writes to a file, or -1; and whether makeflow's stderr is a file, too,
    in which makeflow would overwrite text that is added before makeflow has ended.
    """
    path = "/proc/%d/fd/2" % ENGINE
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY), os.path.isfile(path)
    except OSError:
        return -1, False


def say(fd, text):  # type: (int, str) -> None
    try:
        os.write(fd, ("mfmesos: %s\n" % text).encode("utf-8", "replace"))
    except (OSError, UnicodeError):
        pass


def end_engine(text):  # type: (str) -> None
    """SIGTERM, after which makeflow logs its unfinished rules; after a while SIGKILL."""
    fd, is_file = terminal()
    if not is_file:
        say(fd, text)
    begun = time.time()
    os.kill(ENGINE, signal.SIGTERM)
    while engine_lives():
        have_state()
        if time.time() - begun > ENDS_WITHIN_S:
            os.kill(ENGINE, signal.SIGKILL)
        time.sleep(LOOK_S / 5)  # the same; makeflow may delete mesos_task_state meanwhile, and then ignore signals
    if is_file:
        say(fd, text)
    if fd >= 0:
        os.close(fd)


def main():  # type: () -> int
    close_leaked()
    had_state = os.path.exists(STATE)
    have_state()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    words = [word for word in read("/proc/%d/cmdline" % ENGINE).split("\0") if word]
    environ = {"MFMESOS_ENGINE": "%d %d-%d" % (ENGINE, os.getpid(), int(time.time() * 1000))}
    child = start([], environ)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    status = wait(child)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if status is None or (not status and engine_ends()):
        return 0
    text = why(status)
    if not status or os.WIFSIGNALED(status):
        say(2, text)
    if engine_lives():
        end_engine(text)
    if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 1, CRASHED):
        wait(start(["--end"] + words, environ), TIDIES_WITHIN_S)
    if not had_state and os.path.exists(STATE) and not os.path.getsize(STATE):
        os.unlink(STATE)
    return 1


if __name__ == "__main__":
    sys.exit(main())
