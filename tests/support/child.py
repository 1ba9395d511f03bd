"""A process started by a test."""
import ctypes
import os
import pathlib
import signal
import subprocess
import sys

from support.waiting import PATIENCE, eventually

_libc = ctypes.CDLL(None)


def _die_with_parent():
    PR_SET_PDEATHSIG = 1
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _states_of_group(group):
    """Of all threads of a process group, as in proc(5)."""
    states = set()
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rpartition(")")[2].split()[2] != str(group):
                continue
            for thread in stat.parent.glob("task/*/stat"):
                states.add(thread.read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    return states


class Child:
    """Runs in a session of its own with standard output and error in a log file that later starts append to."""

    may_hang = False  # when it is asked to end, by a fault of its own; it is killed then
    alive = []  # all that have been started and not stopped, to show their logs and to end them

    def __init__(self, name, command, folder, environment=None, stdin=subprocess.DEVNULL):
        self.name, self.command, self.folder = name, [str(word) for word in command], folder
        self.environment, self.stdin = environment, stdin
        self.log_file = folder / f"{name}.log"
        self.process = None

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=self.stdin, stdout=log, stderr=log,
                env=None if self.environment is None else {**os.environ, **self.environment},
                start_new_session=True, preexec_fn=_die_with_parent)
        Child.alive.append(self)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_until(self, condition, what, within=PATIENCE):
        """Polls condition() as long as the process runs."""

        def ready():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.process.returncode} before {what}:\n{self.log()}")
            return condition()

        return eventually(ready, f"{self.name}: {what}", within)

    def signal(self, number):
        os.kill(self.pid, number)

    def freeze(self):
        """Returns when no thread of the group runs any more: one that is just running does so a little longer."""
        os.killpg(self.pid, signal.SIGSTOP)
        eventually(lambda: _states_of_group(self.pid) <= set("TtZX"), f"{self.name} stands still")

    def thaw(self):
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self):
        """kill -9, the whole group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._gone(10)

    def stop(self, within=20):
        """Asks to end and returns the exit status. What does not end is killed, and that is a failure."""
        if self not in Child.alive:
            return None
        if self.running():
            self.thaw()
            self.signal(signal.SIGTERM)
        try:
            return self._gone(within)
        except subprocess.TimeoutExpired:
            self.kill()
            if self.may_hang:
                return None
            raise AssertionError(f"{self.name} did not end within {within} s of SIGTERM:\n{self.log()}") from None

    def _gone(self, within):
        status = self.process.wait(within)
        try:  # what it forked and left behind
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self in Child.alive:
            Child.alive.remove(self)
        return status

    def log(self, lines=80):
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def kill_all():
    for child in list(Child.alive):
        print(f"still running at the end, killed: {child.name}", file=sys.stderr)
        child.kill()
