"""The faults of a run. plan() decides by the seed alone what happens when; Faults does it."""
import ctypes
import dataclasses
import os
import platform
import random
import signal
import struct
import subprocess
import time

from chaos.site import FRONTS, LINKS, MAPPERS, NAMES, WORKERS, front_host, link_host, stream_host

# kind: (weight, what it happens to, shortest and longest time it lasts in seconds)
KINDS = {
    "kill": (20, NAMES, 0.05, 0.5),           # kill -9; started again after so long
    "restart": (10, NAMES, 0.05, 0.5),        # TERM; started again so long after its end
    "freeze": (16, NAMES, 0.2, 8),            # STOP, then CONT
    "hang": (2, NAMES, 0.05, 0.5),            # the loop spins until the watchdog ends the process
    "cut": (10, LINKS, 0.5, 8),               # nothing passes on one pipe of the bus
    "isolate": (4, NAMES, 0.5, 8),            # nothing passes on all its pipes
    "thin": (6, LINKS, 1, 6),                 # a third of the packets on one pipe are lost
    "delay": (6, LINKS, 1, 6),                # one pipe is late
    "reset": (6, LINKS, 0, 0),                # one pipe's connection breaks
    "lose-sip": (6, FRONTS, 1, 6),            # a third of the datagrams from and to a front are lost
    "cut-stream": (5, WORKERS, 0, 0),         # the XMPP server closes the stream
    "stall-stream": (4, WORKERS, 1, 14),      # it reads and says nothing
    "drop-stream": (4, WORKERS, 1, 20),       # nothing passes between it and the worker
}
PROCESS_KINDS = ["kill", "restart", "freeze", "hang"]


@dataclasses.dataclass
class Fault:
    number: int
    at: float        # seconds after the load began
    kind: str
    target: object   # the name of a process, or (edge, mapper)
    lasts: float
    amount: float    # 0 to 1: of what the kind has a degree of
    began: float = 0  # monotonic; 0: not begun, as its target was not there
    over: float = 0

    def __str__(self):
        target = " - ".join(self.target) if isinstance(self.target, tuple) else self.target
        return f"fault {self.number}: {self.kind} {target} for {self.lasts:.2f} s"


def plan(seed, seconds, gap, kinds):
    """Faults from the fifth second on, `gap` seconds apart on average."""
    dice = random.Random(seed)
    weights = [KINDS[kind][0] for kind in kinds]
    out, at = [], 5.0
    while at < seconds - 2:
        kind = dice.choices(kinds, weights)[0]
        _, targets, shortest, longest = KINDS[kind]
        lasts = shortest + (longest - shortest) * dice.random() ** 2
        out.append(Fault(len(out) + 1, at, kind, dice.choice(targets), lasts, dice.random()))
        at += max(0.2, dice.expovariate(1 / gap))
    return out


class Firewall:
    """Rules that drop packets, in this network namespace, which is the test's own."""

    def __init__(self):
        self._nft("add table inet chaos", "add chain inet chaos drops { type filter hook input priority 0; }")
        self.rules = {}
        self.numbers = iter(range(1, 1 << 30))

    @staticmethod
    def _nft(*commands):
        subprocess.run(["nft", "-f", "-"], input="\n".join(commands) + "\n", check=True, text=True)

    def _write(self):
        self._nft("flush chain inet chaos drops",
                  *(f"add rule inet chaos drops {rule} drop" for rules in self.rules.values() for rule in rules))

    def drop(self, host, percent=100):
        """Drops packets from and to this address; returns what forgive() takes."""
        number = next(self.numbers)
        some = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        self.rules[number] = [f"ip {way} {host} {some}" for way in ("saddr", "daddr")]
        self._write()
        return number

    def forgive(self, number):
        del self.rules[number]
        self._write()


def spin(pid):
    """Makes the main thread of a process run in a circle, and nothing else: at its entry point, which it needs no
    more, stands a jump to itself now."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    PEEKTEXT, POKETEXT, CONTINUE, GETREGS, SETREGS, ATTACH, DETACH = 1, 4, 7, 12, 13, 16, 17
    AT_ENTRY, ORIG_RAX, RIP = 9, 15, 16

    with open(f"/proc/{pid}/auxv", "rb") as file:
        auxiliary = file.read()
    entry = next(value for key, value in struct.iter_unpack("QQ", auxiliary) if key == AT_ENTRY)
    if libc.ptrace(ATTACH, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    # Another signal may come before the one that attaching sends, which must not be left behind.
    while (stopped_by := os.WSTOPSIG(os.waitpid(pid, 0x40000000)[1])) != signal.SIGSTOP:  # __WALL
        libc.ptrace(CONTINUE, pid, None, stopped_by)
    registers = (ctypes.c_ulonglong * 27)()
    libc.ptrace(GETREGS, pid, None, ctypes.addressof(registers))
    word = libc.ptrace(PEEKTEXT, pid, entry, None) & (1 << 64) - 1
    libc.ptrace(POKETEXT, pid, entry, word & ~0xFFFF | 0xFEEB)
    registers[RIP], registers[ORIG_RAX] = entry, (1 << 64) - 1
    libc.ptrace(SETREGS, pid, None, ctypes.addressof(registers))
    libc.ptrace(DETACH, pid, None, None)


def possible(kind):
    return kind != "hang" or platform.machine() == "x86_64"


class Faults:
    """Runs a plan. Each fault is a generator that yields how long to wait for its next step."""

    def __init__(self, site, ends, violated):
        self.site, self.ends, self.violated = site, ends, violated
        self.firewall = Firewall()
        self.busy = set()   # names of processes to which something is being done
        self.running = []   # (time of the next step, fault, generator)

    def begin(self, fault):
        fault.began = time.monotonic()
        step = getattr(self, "_" + fault.kind.replace("-", "_"))
        if fault.kind in PROCESS_KINDS:
            if fault.target in self.busy:
                fault.began = 0  # skipped
                return
            self.busy.add(fault.target)
        self.running.append((fault.began, fault, step(fault, fault.target)))

    def turn(self):
        now = time.monotonic()
        for entry in [entry for entry in self.running if entry[0] <= now]:
            self.running.remove(entry)
            _, fault, steps = entry
            try:
                self.running.append((now + next(steps), fault, steps))
            except StopIteration:
                fault.over = time.monotonic()
                if fault.kind in PROCESS_KINDS:
                    self.busy.discard(fault.target)
        for name, process in self.site.processes.items():
            if name not in self.busy and not process.running():
                self.violated(f"{name} ended by itself with status {process.process.returncode}:\n{process.log(20)}")
                self._gone(name)
                process.start()

    def _gone(self, name):
        if name in WORKERS:
            self.ends.tell(f"killed {WORKERS.index(name)}")

    # Processes.

    def _kill(self, fault, name):
        self._gone(name)
        self.site.processes[name].kill()
        yield fault.lasts
        self.site.processes[name].start()

    def _restart(self, fault, name):
        process = self.site.processes[name]
        process.signal(signal.SIGTERM)
        limit = time.monotonic() + 25
        while process.running():
            if time.monotonic() > limit:
                self.violated(f"{name} did not end within 25 s of SIGTERM:\n{process.log(20)}")
                self._gone(name)
                process.kill()
                break
            yield 0.02
        if process.process.returncode not in (0, -signal.SIGKILL):
            self.violated(f"{name} ended with status {process.process.returncode} after SIGTERM:\n{process.log(20)}")
        process.stop()
        yield fault.lasts
        process.start()

    def _freeze(self, fault, name):
        self.site.processes[name].freeze()
        yield fault.lasts
        self.site.processes[name].thaw()

    def _hang(self, fault, name):
        process = self.site.processes[name]
        self._gone(name)
        spin(process.pid)
        limit = time.monotonic() + 20
        while process.running():
            if time.monotonic() > limit:
                self.violated(f"{name} hung, and its watchdog did not end it within 20 s")
                process.kill()
                break
            yield 0.02
        if process.process.returncode not in (-signal.SIGABRT, -signal.SIGKILL):
            self.violated(f"{name} hung and ended with status {process.process.returncode}")
        process.stop()
        fault.began = time.monotonic()  # what counts is how it comes back
        yield fault.lasts
        process.start()

    # Links.

    def _drop(self, fault, hosts, percent=100):
        rules = [self.firewall.drop(host, percent) for host in hosts]
        yield fault.lasts
        for rule in rules:
            self.firewall.forgive(rule)

    def _cut(self, fault, link):
        return self._drop(fault, [link_host(*link)])

    def _isolate(self, fault, name):
        return self._drop(fault, [link_host(*link) for link in LINKS if name in link])

    def _thin(self, fault, link):
        return self._drop(fault, [link_host(*link)], 33)

    def _delay(self, fault, link):
        self.site.link(link, "delay", 20 + 480 * fault.amount)
        yield fault.lasts
        self.site.link(link, "delay", 0)

    def _reset(self, fault, link):
        self.site.link(link, "reset")
        yield 0

    def _lose_sip(self, fault, front):
        return self._drop(fault, [front_host(front)], 33)

    # XMPP streams.

    def _cut_stream(self, fault, worker):
        self.ends.tell(f"cut {WORKERS.index(worker)}")
        yield 0

    def _stall_stream(self, fault, worker):
        self.ends.tell(f"stall {WORKERS.index(worker)} {fault.lasts}")
        yield fault.lasts

    def _drop_stream(self, fault, worker):
        return self._drop(fault, [stream_host(worker)])
