"""The gateway under chaos: two of each process, each on a host of its own (a network namespace behind a cable), as
are the two real XMPP servers; the bus over TCP with CURVE. Every pipe of the bus and every connection that a real
server's stanzas come by goes through a relay, so that each can be cut, thinned, delayed and reset by itself."""
import datetime
import os
import pathlib
import queue
import subprocess
import threading

from chaos.servers import LocalServer, RemoteServer, name_server
from support import bus_keys
from support.certificates import Authority
from support.child import Child
from support.hosts import Host, ip
from support.stox import PROGRAMS, Stox, toml

FRONTS, MAPPERS = ["sip-1", "sip-2"], ["mapper-1", "mapper-2"]
COMPONENTS = ["component-1", "component-2"]  # of the server that the ends play
PROSODY = ["prosody-1", "prosody-2"]         # of a real Prosody: one works, one stands by
S2S = ["server-1", "server-2"]               # streams to and from a real server of other domains
WORKERS = COMPONENTS + PROSODY + S2S
EDGES = FRONTS + WORKERS
NAMES = FRONTS + MAPPERS + WORKERS
SERVERS = ["prosody", "remote"]
PROGRAM = {**dict.fromkeys(FRONTS, "stox-sip-front"), **dict.fromkeys(MAPPERS, "stox-mapper"),
           **dict.fromkeys(WORKERS, "stox-xmpp-worker")}

PLAYED_DOMAINS = [f"d{i}.xmpp.test" for i in range(8)]
PROSODY_DOMAIN = "users.prosody.test"
REMOTE_DOMAINS = [f"d{i}.remote.test" for i in range(3)]
PROSODY_ROOMS, REMOTE_ROOMS = "rooms.prosody.test", "rooms.remote.test"
# SIP domain: what it is on XMPP
OURS = {"sip.test": "xmpp-sip.test", "sip-prosody.test": "gateway.prosody.test", "sip-remote.test": "gateway.test"}
DOORS = COMPONENTS + [PROSODY_DOMAIN] + REMOTE_DOMAINS  # of the ends

NETWORK = "10.77.0."
HOSTS = NAMES + SERVERS
SIP_USERS = f"{NETWORK}200:5060"
NAME_SERVER = f"{NETWORK}210"
BUS = [(edge, mapper) for edge in EDGES for mapper in MAPPERS]
# (who connects, to whom); stanzas for the gateway come by these.
STANZAS = [(worker, "prosody") for worker in PROSODY] + [("remote", worker) for worker in S2S]
LINKS = BUS + STANZAS


def address(name):
    """Of a host."""
    return f"{NETWORK}{HOSTS.index(name) + 1}"


def stream_host(worker):
    """Where the played server listens for this worker."""
    return f"{NETWORK}{201 + COMPONENTS.index(worker)}"


def link_host(*link):
    """Where the relay listens for this connection."""
    return f"{NETWORK}{100 + LINKS.index(link)}"


def port_of(link):
    return 7300 if link in BUS else 5347 if link[1] == "prosody" else 5269


def doors_of(name):
    """The doors of the ends behind a worker or a server."""
    if name in COMPONENTS:
        return [COMPONENTS.index(name)]
    return [DOORS.index(domain) for domain in ([PROSODY_DOMAIN] if name in ("prosody", *PROSODY) else REMOTE_DOMAINS)]


class Tool:
    """A program of this test that takes lines and answers each with "done LINE"; other lines go to `said`."""

    def __init__(self, command, said=print):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.answers, self.reports = queue.Queue(), queue.Queue()
        self.telling = threading.Lock()
        self.said = said
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith("report "):
                self.reports.put(line.partition(" ")[2])
            elif line.startswith(("ready", "done ")):
                self.answers.put(line)
            else:
                self.said(line)

    def expect(self, line, within):
        answer = self.answers.get(timeout=within)
        assert answer == line, f"{self.process.args[0]} said {answer!r} instead of {line!r}"

    def tell(self, line):
        with self.telling:
            print(line, file=self.process.stdin, flush=True)
            self.expect(f"done {line}", 20)

    def report(self, within):
        """What stands behind "report" on the line that it prints when it has all."""
        return self.reports.get(timeout=within)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class ChaosSite(Stox):
    def __init__(self, folder, log_level, journal, broken):
        """broken(doors): called when a connection that stanzas came by from a real server has ended."""
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.broken = broken
        self.environment = {}
        self.hosts = {}
        self._lay_cables()
        for name in "run", "state":
            (folder / name).mkdir()
        self.supervisor = None
        self.journal = journal
        self.log_level = log_level
        self.keys = bus_keys.make(folder / "keys", *EDGES)
        authority = Authority(folder / "authority")
        self.tls = dict(zip(("certificate", "key"), map(str, authority.sign("DNS:" + OURS["sip-remote.test"]))),
                        ca=str(authority.ca))
        self.file = self._write("operator", lambda mapper: address(mapper))
        files = {edge: self._write(edge, lambda mapper, edge=edge: link_host(edge, mapper)) for edge in EDGES}
        self.processes = {name: Child(name, self.hosts[name].command(PROGRAMS / PROGRAM[name], "-f",
                                                                     files.get(name, self.file), "-n", name), folder)
                          for name in NAMES}
        self.servers = {
            "prosody": LocalServer("prosody", folder, self.hosts["prosody"], [PROSODY_DOMAIN, OURS["sip-prosody.test"]],
                                   PROSODY_ROOMS),
            "remote": RemoteServer("remote", folder, self.hosts["remote"], REMOTE_DOMAINS, REMOTE_ROOMS, NAME_SERVER,
                                   authority)}
        self.name_server = name_server(folder, NAME_SERVER, OURS["sip-remote.test"],
                                       [link_host("remote", worker) for worker in S2S])
        self.relay = None

    def _lay_cables(self):
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")
        here = [SIP_USERS.partition(":")[0], NAME_SERVER, *map(stream_host, COMPONENTS), *(link_host(*link) for link in LINKS)]
        for each in here:
            ip("address", "add", f"{each}/24", "dev", "bridge")
        self.hosts = {name: Host(self, name, address(name)) for name in HOSTS}

    def _write(self, name, connect):
        configuration = {
            "gateway": {"gateway_domain": "sip-xmpp.test", "xmpp_domain": OURS["sip.test"],
                        "outbound_proxy": f"sip:{SIP_USERS};transport=udp", "presence": True,
                        "gwmap": {**OURS, **{d: d for d in [*PLAYED_DOMAINS, PROSODY_DOMAIN, *REMOTE_DOMAINS, PROSODY_ROOMS,
                                                          REMOTE_ROOMS]}},
                        "room_domains": [PROSODY_ROOMS, REMOTE_ROOMS]},
            "runtime": {"directory": str(self.folder / "run"), "state_directory": str(self.folder / "state"),
                        "drain_seconds": 10},
            "log": {"level": self.log_level},
            "dns": {"servers": [f"{NAME_SERVER}:53"],
                    "static": {domain: f"{address('remote')}:5269" for domain in [*REMOTE_DOMAINS, REMOTE_ROOMS]}},
            "mapper": [{"name": mapper, "bind": f"tcp://{address(mapper)}:7300",
                        "connect": f"tcp://{connect(mapper)}:7300"} for mapper in MAPPERS],
            "sip_front": [{"name": front, "listen": [f"udp:{address(front)}:5060"], "trusted": [f"{NETWORK}0/24"]}
                          for front in FRONTS],
            "xmpp_worker": [{"name": worker, "journal": self.journal, **self._worker(worker)} for worker in WORKERS],
        }
        file = self.folder / f"{name}.toml"
        file.write_text(toml(configuration) + self.keys)
        return file

    def _worker(self, name):
        if name in S2S:
            return {"backend": "server", "serves": [OURS["sip-remote.test"]], "domains": [*REMOTE_DOMAINS, REMOTE_ROOMS],
                    "xmpp_host": address(name), "xmpp_port": 5269, "dialback_secret": "s3cr3t", "tls": self.tls}
        component = {"backend": "component", "xmpp_port": 5347, "xmpp_password": "secret"}
        if name in PROSODY:
            return {**component, "serves": [OURS["sip-prosody.test"]], "domains": [PROSODY_DOMAIN, PROSODY_ROOMS],
                    "xmpp_host": link_host(name, "prosody")}
        return {**component, "serves": [OURS["sip.test"]], "domains": PLAYED_DOMAINS, "xmpp_host": stream_host(name)}

    def start(self, *names):
        if self.relay is None:
            self.name_server.start()
            pairs = [f"{link_host(*link)}:{port_of(link)}={address(link[1])}:{port_of(link)}" for link in LINKS]
            self.relay = Tool([PROGRAMS / "stox-chaos-relay", *pairs], self._connection_ended)
            self.relay.expect("ready", 20)
            for server in self.servers.values():
                server.start()
                server.is_up()
        for name in names or NAMES:
            self.processes[name].start()
        return self

    def _connection_ended(self, line):
        _, number, made, other = line.split()
        link = LINKS[int(number)]
        # A component that is told that there is one already has had no stanza.
        if link in STANZAS and not (link[1] == "prosody" and int(other) < 600):
            self.broken(doors_of(link[0]))

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

    def times_ready(self, name):
        """When this process has said that it is ready, or stands by, as time.time() counts."""
        times = []
        with open(self.processes[name].log_file, errors="replace") as log:
            for line in log:
                words = line.split(" ", 4)
                if len(words) > 3 and words[2] == name and words[3].rstrip(":\n") in ("ready", "standby"):
                    times.append(datetime.datetime.fromisoformat(words[0].replace("Z", "+00:00")).timestamp())
        return times

    def stop_all(self):
        self.stop()
        for server in [*self.servers.values(), self.name_server]:
            server.stop()
        for host in self.hosts.values():
            host.close()
