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

from chaos.site import (BUS, COMPONENTS, FRONTS, LINKS, NAMES, SERVERS, SIP_USERS, WORKERS, address, doors_of, link_host,
                        stream_host)

ALONE = {"kill": 0.3}  # of the faults of this kind
ALONE_ELSE = 0.04
CALM = 4.0    # seconds without others around those

# kind: (weight, what it happens to, shortest and longest time it lasts in seconds)
KINDS = {
    "kill": (20, NAMES, 0.05, 0.5),           # kill -9; started again after so long
    "restart": (10, NAMES, 0.05, 0.5),        # TERM; started again so long after its end
    "freeze": (16, NAMES, 0.2, 8),            # STOP, then CONT
    "hang": (2, NAMES, 0.05, 0.5),            # the loop spins until the watchdog ends the process
    "unplug": (6, NAMES, 0.5, 8),             # the cable of its host: no packet of any kind, no reset
    "cut": (10, LINKS, 0.5, 8),               # nothing passes on one pipe of the bus, or from a real server
    "isolate": (4, NAMES, 0.5, 8),            # nothing passes on all its pipes
    "thin": (6, LINKS, 1, 6),                 # a third of the packets on one pipe are lost
    "delay": (6, LINKS, 1, 6),                # one pipe is late
    "reset": (6, LINKS, 0, 0),                # one pipe's connection breaks
    "lose-sip": (6, FRONTS, 1, 6),            # a third of the datagrams from and to a front are lost
    "cut-stream": (5, COMPONENTS, 0, 0),      # the played server closes the stream
    "stall-stream": (4, COMPONENTS, 1, 14),   # it reads and says nothing
    "drop-stream": (4, COMPONENTS, 1, 20),    # nothing passes between it and the worker
    "stop-server": (4, SERVERS, 0.1, 2),      # a real server: TERM; started again so long after its end
    "freeze-server": (4, SERVERS, 0.5, 14),   # STOP, then CONT
    "unplug-server": (4, SERVERS, 0.5, 14),   # the cable of its host
    "kill-server": (2, SERVERS, 0.1, 1),      # kill -9; what dies with it is counted apart
}
PROCESS_KINDS = ["kill", "restart", "freeze", "hang"]
SERVER_KINDS = ["stop-server", "freeze-server", "kill-server"]
ENDING_KINDS = ["kill", "restart", "hang"]  # a process ends


@dataclasses.dataclass(eq=False)
class Fault:
    number: int
    at: float        # seconds after the load began
    kind: str
    target: object   # the name of a process, or (edge, mapper)
    lasts: float
    amount: float    # 0 to 1: of what the kind has a degree of
    began: float = 0  # monotonic; 0: not begun, as its target was not there
    over: float = 0
    began_wall: float = 0
    back: float = 0   # of a killed process: seconds from its beginning until its log says that it is ready; 0: never

    def __str__(self):
        target = " to ".join(self.target) if isinstance(self.target, tuple) else self.target
        return f"fault {self.number}: {self.kind} {target} for {self.lasts:.2f} s"


def spared(name, at, seconds):
    """A third of the run leaves half of the processes alive, the next third the other half: long lives, in which
    memory must stay level. In the last third any may die."""
    return at < seconds * 2 / 3 and name.endswith("-2" if at < seconds / 3 else "-1")


def plan(seed, seconds, gap, kinds):
    """Faults from the fifth second on, `gap` seconds apart on average. Before and after some there is a time without
    others: what their recovery takes can be seen."""
    dice = random.Random(seed)
    weights = [KINDS[kind][0] for kind in kinds]
    out, at, quiet = [], 5.0, 0.0
    while at < seconds - 2:
        kind = dice.choices(kinds, weights)[0]
        _, targets, shortest, longest = KINDS[kind]
        lasts = shortest + (longest - shortest) * dice.random() ** 2
        if kind in ENDING_KINDS:
            targets = [name for name in targets if not spared(name, at, seconds)]
        alone = dice.random() < ALONE.get(kind, ALONE_ELSE)
        if alone:
            at = max(at, quiet)
        out.append(Fault(len(out) + 1, at, kind, dice.choice(targets), lasts, dice.random()))
        quiet = max(quiet, at + lasts + (12 if kind in ("restart", "hang") else 0) + CALM)
        at = quiet if alone else at + max(0.2, dice.expovariate(1 / gap))
    return [fault for fault in out if fault.at < seconds - 2]


class Firewall:
    """Rules that drop packets, here and on the hosts of the site, each of which is a network namespace."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.rules = {}  # number: (name of a host, rules)
        self.numbers = iter(range(1, 1 << 30))
        for name in [None, *hosts]:
            self._nft(name, "add table inet chaos", "add chain inet chaos drops { type filter hook input priority 0; }")

    def _nft(self, name, *commands):
        command = ["nft", "-f", "-"] if name is None else self.hosts[name].command("nft", "-f", "-")
        subprocess.run([str(word) for word in command], input="\n".join(commands) + "\n", check=True, text=True)

    def _write(self, name):
        for place in None, name:
            self._nft(place, "flush chain inet chaos drops",
                      *(f"add rule inet chaos drops {rule} drop" for host, rules in self.rules.values()
                        if place in (None, host) for rule in rules))

    def drop(self, host, between, percent=100):
        """Drops packets between a host of the site and an address, as they come in; returns what forgive() takes."""
        number = next(self.numbers)
        some = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        self.rules[number] = host, [f"ip {one} {address(host)} ip {other} {between} {some}"
                                    for one, other in (("saddr", "daddr"), ("daddr", "saddr"))]
        self._write(host)
        return number

    def forgive(self, number):
        host, _ = self.rules.pop(number)
        self._write(host)


def blocks(pid, number):
    with open(f"/proc/{pid}/status") as file:
        mask = next(line.split()[1] for line in file if line.startswith("SigBlk:"))
    return bool(int(mask, 16) >> number - 1 & 1)


def spin(pid):
    """Makes the main thread of a process run in a circle, and nothing else: at its entry point, which it needs no
    more, stands a jump to itself now."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    PEEKTEXT, POKETEXT, CONTINUE, STEP, GETREGS, SETREGS, ATTACH, DETACH = 1, 4, 7, 9, 12, 13, 16, 17
    AT_ENTRY, ORIG_RAX, RIP = 9, 15, 16

    with open(f"/proc/{pid}/auxv", "rb") as file:
        auxiliary = file.read()
    entry = next(value for key, value in struct.iter_unpack("QQ", auxiliary) if key == AT_ENTRY)
    if libc.ptrace(ATTACH, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    # Another signal may come before the one that attaching sends, which must not be left behind.
    while (stopped_by := os.WSTOPSIG(os.waitpid(pid, 0x40000000)[1])) != signal.SIGSTOP:  # __WALL
        libc.ptrace(CONTINUE, pid, None, stopped_by)
    while blocks(pid, signal.SIGALRM):  # in the handler of its watchdog, whose signal could not come any more
        libc.ptrace(STEP, pid, None, None)
        os.waitpid(pid, 0x40000000)
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
        self.firewall = Firewall(site.hosts)
        self.busy = set()   # names of processes, servers and cables to which something is being done
        self.running = []   # (time of the next step, fault, generator)

    def begin(self, fault):
        if self._holds(fault) in self.busy:
            return  # skipped
        fault.began, fault.began_wall = time.monotonic(), time.time()
        step = getattr(self, "_" + fault.kind.replace("-", "_"))
        self.busy.add(self._holds(fault))
        self.running.append((fault.began, fault, step(fault, fault.target)))

    @staticmethod
    def _holds(fault):
        """What no other fault may be done to meanwhile."""
        if fault.kind in PROCESS_KINDS or fault.kind in SERVER_KINDS:
            return fault.target
        return ("cable", fault.target) if fault.kind.startswith("unplug") else fault

    def turn(self):
        now = time.monotonic()
        for entry in [entry for entry in self.running if entry[0] <= now]:
            self.running.remove(entry)
            _, fault, steps = entry
            try:
                self.running.append((now + next(steps), fault, steps))
            except StopIteration:
                fault.over = time.monotonic()
                self.busy.discard(self._holds(fault))
        for name, process in [*self.site.processes.items(), *self.site.servers.items()]:
            if name not in self.busy and not process.running():
                self.violated(f"{name} ended by itself with status {process.process.returncode}:\n{process.log(20)}")
                self._gone(name)
                process.start()

    def _gone(self, name):
        if name in WORKERS or name in SERVERS:
            for door in doors_of(name):
                self.ends.tell(f"{'server-' if name in SERVERS else ''}killed {door}")

    # Processes.

    def _kill(self, fault, name):
        self._gone(name)
        self.site.processes[name].kill()
        yield fault.lasts
        self.site.processes[name].start()

    def _ends(self, process, within):
        """Waits for that; false: it has not."""
        limit = time.monotonic() + within
        while process.running() and time.monotonic() < limit:
            yield 0.02
        return not process.running()

    def _restart(self, fault, name):
        process = self.site.processes[name]
        process.signal(signal.SIGTERM)
        if not (yield from self._ends(process, 25)):
            self.violated(f"{name} did not end within 25 s of SIGTERM:\n{process.log(20)}")
            self._gone(name)
            process.kill()
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
        if not (yield from self._ends(process, 20)):
            self.violated(f"{name} hung, and its watchdog did not end it within 20 s")
            process.kill()
        if process.process.returncode not in (-signal.SIGABRT, -signal.SIGKILL):
            self.violated(f"{name} hung and ended with status {process.process.returncode}")
        process.stop()
        fault.began = time.monotonic()  # what counts is how it comes back
        yield fault.lasts
        process.start()

    # Cables and links.

    def _unplug(self, fault, name):
        self.site.hosts[name].unplug()
        yield fault.lasts
        self.site.hosts[name].plug()

    def _drop(self, fault, pairs, percent=100):
        rules = [self.firewall.drop(*pair, percent) for pair in pairs]
        yield fault.lasts
        for rule in rules:
            self.firewall.forgive(rule)

    def _cut(self, fault, link):
        return self._drop(fault, [(link[0], link_host(*link))])

    def _isolate(self, fault, name):
        # A mapper's pipes are those of the edges.
        return self._drop(fault, [(link[0], link_host(*link)) for link in BUS if name in link])

    def _thin(self, fault, link):
        return self._drop(fault, [(link[0], link_host(*link))], 33)

    def _delay(self, fault, link):
        self.site.link(link, "delay", 20 + 480 * fault.amount)
        yield fault.lasts
        self.site.link(link, "delay", 0)

    def _reset(self, fault, link):
        self.site.link(link, "reset")
        yield 0

    def _lose_sip(self, fault, front):
        return self._drop(fault, [(front, SIP_USERS.partition(":")[0])], 33)

    # XMPP streams of the played server.

    def _cut_stream(self, fault, worker):
        self.ends.tell(f"cut {COMPONENTS.index(worker)}")
        yield 0

    def _stall_stream(self, fault, worker):
        self.ends.tell(f"stall {COMPONENTS.index(worker)} {fault.lasts}")
        yield fault.lasts

    def _drop_stream(self, fault, worker):
        return self._drop(fault, [(worker, stream_host(worker))])

    # Real servers.

    def _stop_server(self, fault, name):
        server = self.site.servers[name]
        server.signal(signal.SIGTERM)
        if not (yield from self._ends(server, 20)):
            self._gone(name)
            server.kill()
        server.stop()
        yield fault.lasts
        server.start()

    def _freeze_server(self, fault, name):
        self.site.servers[name].freeze()
        yield fault.lasts
        self.site.servers[name].thaw()

    def _kill_server(self, fault, name):
        self._gone(name)
        self.site.servers[name].kill()
        yield fault.lasts
        self.site.servers[name].start()

    _unplug_server = _unplug
