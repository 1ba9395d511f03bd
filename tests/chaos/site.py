"""The gateway under chaos: two of each process in a network namespace of their own, every pipe of the bus through a
relay, so that each can be cut, thinned, delayed and reset by itself."""
import os
import pathlib
import queue
import subprocess
import threading

from support.child import Child
from support.stox import PROGRAMS, Stox, toml

FRONTS, MAPPERS, WORKERS = ["sip-1", "sip-2"], ["mapper-1", "mapper-2"], ["component-1", "component-2"]
EDGES = FRONTS + WORKERS
NAMES = FRONTS + MAPPERS + WORKERS
PROGRAM = {**dict.fromkeys(FRONTS, "stox-sip-front"), **dict.fromkeys(MAPPERS, "stox-mapper"),
           **dict.fromkeys(WORKERS, "stox-xmpp-worker")}
GATEWAY_DOMAIN, XMPP_DOMAIN = "sip-xmpp.test", "xmpp-sip.test"

SIP_USERS = "127.0.1.1:5060"
LINKS = [(edge, mapper) for edge in EDGES for mapper in MAPPERS]


def front_host(name):
    return f"127.0.2.{FRONTS.index(name) + 1}"


def stream_host(worker):
    """Where the XMPP server listens for this worker."""
    return f"127.0.3.{WORKERS.index(worker) + 1}"


def mapper_host(name):
    return f"127.0.4.{MAPPERS.index(name) + 1}"


def link_host(edge, mapper):
    """Where the relay listens for this edge's pipe to this mapper."""
    return f"127.1.{EDGES.index(edge) + 1}.{MAPPERS.index(mapper) + 1}"


class Tool:
    """A program of this test that takes lines and answers each with "done LINE"; other lines go to `said`."""

    def __init__(self, command, said=print):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.answers = queue.Queue()
        self.said = said
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith(("ready", "done ", "report ")):
                self.answers.put(line)
            else:
                self.said(line)

    def expect(self, line, within):
        answer = self.answers.get(timeout=within)
        assert answer == line, f"{self.process.args[0]} said {answer!r} instead of {line!r}"

    def tell(self, line):
        print(line, file=self.process.stdin, flush=True)
        self.expect(f"done {line}", 20)

    def report(self, within):
        """What stands behind "report" on the line that it prints when it has all."""
        return self.answers.get(timeout=within).partition(" ")[2]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class ChaosSite(Stox):
    def __init__(self, folder, log_level, journal):
        self.folder = folder
        (folder / "run").mkdir(parents=True)
        (folder / "state").mkdir()
        self.supervisor = None
        self.journal = journal
        self.log_level = log_level
        self.file = self._write("operator", lambda mapper: f"{mapper_host(mapper)}:7300")
        files = {edge: self._write(edge, lambda mapper, edge=edge: f"{link_host(edge, mapper)}:7300") for edge in EDGES}
        self.processes = {name: Child(name, [PROGRAMS / PROGRAM[name], "-f", files.get(name, self.file), "-n", name],
                                      folder) for name in NAMES}
        self.relay = None

    def _write(self, name, connect):
        configuration = {
            "gateway": {"gateway_domain": GATEWAY_DOMAIN, "xmpp_domain": XMPP_DOMAIN,
                        "outbound_proxy": f"sip:{SIP_USERS};transport=udp"},
            "runtime": {"directory": str(self.folder / "run"), "state_directory": str(self.folder / "state"),
                        "drain_seconds": 10},
            "log": {"level": self.log_level},
            "mapper": [{"name": mapper, "bind": f"tcp://{mapper_host(mapper)}:7300",
                        "connect": f"tcp://{connect(mapper)}"} for mapper in MAPPERS],
            "sip_front": [{"name": front, "listen": [f"udp:{front_host(front)}:5060"]} for front in FRONTS],
            "xmpp_worker": [{"name": worker, "backend": "component", "xmpp_host": stream_host(worker),
                             "xmpp_port": 5347, "xmpp_password": "secret",
                             "journal": self.journal} for worker in WORKERS],
        }
        file = self.folder / f"{name}.toml"
        file.write_text(toml(configuration))
        return file

    def start(self, *names):
        if self.relay is None:
            pairs = [f"{link_host(*link)}:7300={mapper_host(link[1])}:7300" for link in LINKS]
            self.relay = Tool([PROGRAMS / "stox-chaos-relay", *pairs])
            self.relay.expect("ready", 20)
        for name in names or NAMES:
            self.processes[name].start()
        return self

    def link(self, link, *words):
        """Tells the relay: delay MILLISECONDS, or reset."""
        self.relay.tell(" ".join(map(str, [words[0], LINKS.index(link), *words[1:]])))

    def figures(self, name):
        """(resident memory in kB, descriptors) of a process that runs."""
        folder = pathlib.Path(f"/proc/{self.processes[name].pid}")
        memory = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(memory.split()[1]), len(os.listdir(folder / "fd"))

    def way_of(self, identifier):
        """What stoxctl knows of one message."""
        return self.ctl("trace", identifier).stdout

    def left_in_flight(self):
        return {each["process"]: each["count"] for each in self.ctl_json("queues")["in_flight"] if each["count"]}

    def log_lines(self, *words):
        """Lines of all logs in which one of these words stands, in order of time."""
        lines = []
        for name in NAMES:
            with open(self.processes[name].log_file, errors="replace") as log:
                lines += [f"{name}: {line.rstrip()}" for line in log if any(word in line for word in words)]
        return lines
