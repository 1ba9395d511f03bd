"""Workers that are servers of one domain, each on a host of its own: the domains of others spread over them, and `stoxctl
streams` shows which has which."""
import json
import os
import subprocess

import pytest

from support import bus_keys
from support.child import Child
from support.federation import DOMAIN, prosody
from support.name_server import NameServer
from support.sip_user import SipUser
from support.stox import GATEWAY_DOMAIN, PROGRAMS, XMPP_DOMAIN, toml
from support.waiting import PATIENCE, eventually

DOMAINS = [f"d{i}.test" for i in range(12)]
CLAIMED = DOMAIN
EQUALS = ["server-1", "server-2", "server-3"]
CLAIMS = "server-4"
PROGRAM = {"sip": "stox-sip-front", "mapper": "stox-mapper", "server": "stox-xmpp-worker"}


class Site:
    """sip-1 and mapper-1 on one host, four workers on others, and one Prosody with users of all those domains."""

    def __init__(self, folder, network):
        self.folder = folder
        self.hosts = {name: network.host(name) for name in ("gateway", *EQUALS, CLAIMS, "peer", "dns")}
        address = {name: host.address for name, host in self.hosts.items()}
        workers = [*EQUALS, CLAIMS]
        here = {f"{name}.{XMPP_DOMAIN}": address[name] for name in workers}
        everyone = [*DOMAINS, CLAIMED]
        self.name_server = NameServer(
            folder / "dns", address["dns"], [*here.items(), ("peer.test", address["peer"])],
            [(f"_xmpp-server._tcp.{domain}", target, 5269, 5, 5)
             for domain, target in [*((XMPP_DOMAIN, name) for name in here), *((one, "peer.test") for one in everyone)]])
        self.prosody = prosody("\n".join(f'VirtualHost "{domain}"' for domain in DOMAINS))(
            folder / "peer", address["peer"], address["peer"], None)
        for domain in DOMAINS:
            self.register("juliet", domain)
        self.file = folder / "stox.toml"
        self.file.write_text(toml({
            "gateway": {"gateway_domain": GATEWAY_DOMAIN, "xmpp_domain": XMPP_DOMAIN, "sip_domains": ["10.77.0.0/24"]},
            "mapper": [{"name": "mapper-1", "bind": f"tcp://{address['gateway']}:7300"}],
            "sip_front": [{"name": "sip-1", "listen": [f"udp:{address['gateway']}:5060"], "trusted": ["10.77.0.0/24"]}],
            "xmpp_worker": [{"name": name, "backend": "server", "xmpp_host": address[name], "xmpp_port": 5269,
                             "dialback_secret": "s3cr3t", "insecure_domains": everyone,
                             **({"domains": [CLAIMED]} if name == CLAIMS else {})} for name in workers],
        }) + bus_keys.make(folder / "keys", "sip-1", *workers))
        self.processes = {}
        for host in self.hosts.values():
            host.asks(self.name_server.host)
        for name, host in (("sip-1", "gateway"), ("mapper-1", "gateway"), *((name, name) for name in workers)):
            (folder / f"state-{host}").mkdir(exist_ok=True)
            program = PROGRAMS / PROGRAM[name.partition("-")[0]]
            self.processes[name] = Child(name, [program, "-f", self.file, "-n", name], folder, self.environment(host))
            self.hosts[host].enclose(self.processes[name])
        self.hosts["peer"].enclose(self.prosody)
        self.hosts["dns"].enclose(self.name_server)
        self.romeo = SipUser(network.here, "sip:romeo@sip.test", (address["gateway"], 5060))

    def register(self, user, domain):
        """As `prosodyctl register`, which takes a second for each."""
        accounts = self.prosody.folder / "data" / domain.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        (accounts / f"{user}.dat").write_text('return { ["password"] = "pw" };\n')

    def stored(self, domain):
        """What Prosody keeps for juliet of this domain until she comes."""
        file = self.prosody.folder / "data" / domain.replace(".", "%2e") / "offline" / "juliet.list"
        return file.read_text() if file.exists() else ""

    def environment(self, host):
        return {"STOX_RUNTIME_DIRECTORY": str(self.folder / f"run-{host}"),
                "STOX_RUNTIME_STATE_DIRECTORY": str(self.folder / f"state-{host}")}

    def start(self):
        self.name_server.start()
        self.prosody.start()
        for process in self.processes.values():
            process.start()
        return self.ready()

    def ready(self):
        done = self.ctl("wait-ready", "--timeout", int(PATIENCE))
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def ctl(self, *words):
        command = self.hosts["gateway"].command(PROGRAMS / "stoxctl", "-f", self.file, *words)
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120,
                              env={**os.environ, **self.environment("gateway")})

    def state(self, name):
        return next(p["state"] for p in json.loads(self.ctl("status", "--json").stdout)["processes"] if p["name"] == name)

    def text_to_all(self, text):
        """To a user of each domain at once; each is answered 200."""
        sent = {domain: self.romeo.send("MESSAGE", f"sip:juliet*{domain}@{GATEWAY_DOMAIN}", text)
                for domain in (*DOMAINS, CLAIMED)}
        assert {domain: one.answer().status for domain, one in sent.items()} == dict.fromkeys(sent, 200)

    def streams(self):
        """{(worker, domain): stanzas written} of the streams that carry messages to others, as people see them. A worker
        that asked a server whether a stream is that server's keeps the one that it asked on, too; it writes nothing there."""
        lines = self.ctl("streams").stdout.splitlines()
        heading = lines[0].split()
        rows = [dict(zip(heading, line.split())) for line in lines[1:] if line.startswith("server-")]
        return {(row["WORKER"], row["THEIRS"]): int(row["OUT"]) for row in rows
                if (row["OURS"], row["DIR"], row["STATE"]) == (XMPP_DOMAIN, "out", "up") and row["OUT"] != "0"}

    def close(self):
        self.romeo.close()
        try:
            for child in (*self.processes.values(), self.prosody, self.name_server):
                child.stop()
        finally:
            for host in self.hosts.values():
                host.close()


@pytest.fixture
def site(tmp_path, network):
    made = Site(tmp_path, network)
    yield made.start()
    made.close()


def grown(before, after):
    """The streams that carried more. A stream that was made anew counts from the beginning."""
    return {key for key in after if after[key] > before.get(key, 0)}


@pytest.mark.parametrize("of", [DOMAINS[0], CLAIMED])
def test_each_domain_is_at_one_worker_and_only_those_of_a_dead_one_move(site, of):
    for _ in range(5):  # more than a stream that is made anew below carries
        site.text_to_all("all are there")
    everyone = sorted((*DOMAINS, CLAIMED))
    first = site.streams()
    place = {domain: worker for worker, domain in first}
    assert sorted(domain for _, domain in first) == everyone, "each domain at one worker"
    assert {place[domain] for domain in DOMAINS} == set(EQUALS)
    assert place[CLAIMED] == CLAIMS

    dead = place[of]
    site.processes[dead].kill()
    eventually(lambda: site.state(dead) == "unreachable", f"{dead} is missed")
    site.text_to_all("one is gone")
    second = site.streams()
    stayed = {key for key in first if key[0] != dead}
    assert stayed <= grown(first, second), "the same streams carry the domains of the others"
    assert sorted(domain for _, domain in second) == everyone
    assert {worker for worker, _ in second} == set(EQUALS) - {dead} | {place[CLAIMED]} - {dead}

    site.processes[dead].start()
    site.ready()
    site.text_to_all("and back again")
    third = site.streams()
    assert grown(second, third) == set(first), "each is where it was"
    assert {key: third[key] for key in second if key not in stayed} == {k: second[k] for k in second if k not in stayed}, \
        "who stood in keeps its streams until they are idle, and writes nothing there"

    texts = {"all are there": 5, "one is gone": 1, "and back again": 1}
    for domain in everyone:
        stored = site.stored(domain)
        assert {text: stored.count(text) for text in texts} == texts, f"what came to {domain}"
