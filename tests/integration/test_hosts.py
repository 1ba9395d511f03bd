"""A site on several hosts, which are network namespaces: fronts, mappers and workers on two of them, users and
XMPP servers on a third, links that are cut, processes that die."""
import collections
import json
import os
import subprocess
import threading

import pytest

from support import bus_keys
from support.child import Child
from support.sip_user import SipUser
from support.stox import PROGRAMS, toml
from support.waiting import PATIENCE, eventually
from support.xmpp_server import XmppServer

HERE = "10.77.0.250"
BODY = "{jabber:component:accept}body"
ROLES = {"sip": "stox-sip-front", "mapper": "stox-mapper", "component": "stox-xmpp-worker"}
CLAIMED = "claimed.test"
# Workers of one domain share their refusals: until the others are heard of, processing is not proved.
TAKEN = {200, 202}
START_AGAIN = 75  # exit status of a process that was asked to restart


class Site:
    """sip-1, mapper-1, component-1 on host a, sip-2, mapper-2, component-2 on host b, and component-3 there, which
    claims a domain."""

    def __init__(self, folder, network):
        self.folder = folder
        self.hosts = {name: network.host(name) for name in "ab"}
        addresses = {i: self.hosts[name].address for i, name in enumerate("ab", 1)}
        self.servers = {f"component-{i}": XmppServer(HERE) for i in (1, 2, 3)}
        self.file = folder / "stox.toml"
        self.file.write_text(toml({
            "gateway": {"gateway_domain": "sip-xmpp.test", "xmpp_domain": "xmpp-sip.test", "sip_domains": ["10.77.0.0/24"]},
            "log": {"level": "debug"},
            "runtime": {"drain_seconds": 5},
            "mapper": [{"name": f"mapper-{i}", "bind": f"tcp://{address}:7300"} for i, address in addresses.items()],
            "sip_front": [{"name": f"sip-{i}", "listen": [f"udp:{address}:5060"], "trusted": ["10.77.0.0/24"]}
                          for i, address in addresses.items()],
            "xmpp_worker": [{"name": name, "xmpp_host": HERE, "xmpp_port": server.component_port,
                             "xmpp_password": "secret", **({"domains": [CLAIMED]} if name == "component-3" else {})}
                            for name, server in self.servers.items()],
        }) + bus_keys.make(folder / "keys", "sip-1", "sip-2", *self.servers))
        self.processes = {}
        for name, host in (("sip-1", "a"), ("mapper-1", "a"), ("component-1", "a"), ("sip-2", "b"), ("mapper-2", "b"),
                           ("component-2", "b"), ("component-3", "b")):
            program = PROGRAMS / ROLES[name.partition("-")[0]]
            self.processes[name] = Child(name, self.hosts[host].command(program, "-f", self.file, "-n", name), folder,
                                         self.environment(host))
        self.users = [SipUser(HERE, f"sip:romeo{i}@sip.test", (address, 5060))
                      for i, address in addresses.items()]

    def environment(self, host):
        return {"STOX_RUNTIME_DIRECTORY": str(self.folder / f"run-{host}"),
                "STOX_RUNTIME_STATE_DIRECTORY": str(self.folder / f"state-{host}")}

    def start(self):
        for host in self.hosts:
            (self.folder / f"state-{host}").mkdir()
        for process in self.processes.values():
            process.start()
        done = self.ctl("a", "wait-ready", "--timeout", int(PATIENCE))
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def ctl(self, host, *words):
        return subprocess.run([str(word) for word in self.hosts[host].command(PROGRAMS / "stoxctl", "-f", self.file, *words)],
                              capture_output=True, text=True, timeout=120, env={**os.environ, **self.environment(host)})

    def ask(self, host, *words):
        return json.loads(self.ctl(host, *words, "--json").stdout)

    def states(self, host):
        return {process["name"]: process["state"] for process in self.ask(host, "status")["processes"]}

    def to_xmpp(self, user, names, texts, domain="xmpp.test"):
        """Sends each text to each name, all at once for each text; returns what was answered."""
        sent = [user.send("MESSAGE", f"sip:{name}*{domain}@sip-xmpp.test", text) for text in texts for name in names]
        return [one.answer() for one in sent]

    def arrived(self, count):
        """worker -> [(name, text)], once so many have arrived."""
        found = collections.defaultdict(list)

        def look():
            for worker, server in self.servers.items():
                while not server.stanzas.empty():
                    stanza = server.stanzas.get()
                    found[worker].append((stanza.get("to").partition("@")[0], stanza.findtext(BODY)))
            return sum(map(len, found.values())) >= count

        eventually(look, f"{count} messages arrived")
        return found

    def owners(self, names, text):
        """name -> the worker that its conversation goes to."""
        assert {r.status for r in self.to_xmpp(self.users[0], names, [text])} <= TAKEN
        return {name: worker for worker, came in self.arrived(len(names)).items() for name, _ in came}

    def close(self):
        for user in self.users:
            user.close()
        try:
            for process in self.processes.values():
                process.stop()
        finally:
            for server in self.servers.values():
                server.close()
            for host in self.hosts.values():
                host.close()


@pytest.fixture
def site(tmp_path, network):
    made = Site(tmp_path, network)
    yield made.start()
    made.close()


def by_name(came):
    out = collections.defaultdict(list)
    for name, text in came:
        out[name].append(text)
    return out


def test_messages_cross_between_hosts_and_stoxctl_sees_all_of_them(site):
    for user in site.users:
        assert {r.status for r in site.to_xmpp(user, ["juliet", "nurse"], ["hello"])} <= TAKEN
    site.arrived(4)
    for server in site.servers.values():
        for i, user in enumerate(site.users, 1):
            server.send(f"<message from='juliet@xmpp.test/balcony' to='romeo{i}*{HERE}\\3a{user.port}@xmpp-sip.test' "
                        f"type='chat'><body>hello back</body></message>")
    assert [user.next_request().text for user in site.users for _ in site.servers] == ["hello back"] * 6

    everything = dict.fromkeys(site.processes, "ready")
    assert site.states("a") == everything
    assert site.states("b") == everything
    for host in "ab":
        queues = site.ask(host, "queues")
        assert {e["process"] for e in queues["in_flight"]} == {n for n in everything if not n.startswith("mapper")}
        links = {(link["from"], link["to"]) for link in queues["links"]}
        assert {("sip-1", "mapper-2"), ("mapper-2", "sip-1"), ("component-3", "mapper-1")} <= links
        assert all(link["depth"] is not None for link in queues["links"])
    site.processes["component-3"].kill()
    eventually(lambda: site.states("a") == {**everything, "component-3": "unreachable"}, "host a sees who is gone")


def test_only_the_dead_workers_conversations_move_and_claims_are_kept(site):
    names = [f"user{i}" for i in range(16)]
    before = site.owners(names, "before")
    assert set(before.values()) == {"component-1", "component-2"}
    assert {r.status for r in site.to_xmpp(site.users[1], ["anna"], ["claimed"], CLAIMED)} <= TAKEN
    assert list(site.arrived(1)) == ["component-3"]

    site.processes["component-1"].kill()
    eventually(lambda: site.states("b")["component-1"] == "unreachable", "component-1 is missed")
    assert set(site.owners(names, "without it").values()) == {"component-2"}
    site.processes["component-1"].start()
    eventually(lambda: site.states("b")["component-1"] == "ready", "component-1 is back")
    assert site.owners(names, "after") == before

    # Nobody else serves a claimed domain's conversations by claim, and the others keep theirs.
    site.processes["component-2"].kill()
    eventually(lambda: site.states("a")["component-2"] == "unreachable", "component-2 is missed")
    assert set(site.owners(names, "without the other").values()) == {"component-1"}


def test_a_link_that_is_cut_and_restored_loses_no_order(site):
    names = [f"user{i}" for i in range(6)]
    sent = []
    for i in range(30):
        if i == 10:
            site.hosts["b"].unplug()
        if i == 20:
            eventually(lambda: site.states("a")["mapper-2"] != "ready", "host a misses host b")
            site.hosts["b"].plug()
        sent += [(name, i, site.users[0].send("MESSAGE", f"sip:{name}*xmpp.test@sip-xmpp.test", str(i)))
                 for name in names]
    answers = [(name, i, one.answer(60).status) for name, i, one in sent]
    accepted = [(name, i) for name, i, status in answers if status in TAKEN]
    assert {status for _, _, status in answers} <= TAKEN | {503, 504}
    assert any(i >= 10 for _, i in accepted)

    came = site.arrived(len(accepted))
    both = [one for worker in came.values() for one in worker]
    assert len(set(both)) == len(both), "doubled"
    assert {(name, str(i)) for name, i in accepted} <= set(both), "lost"
    for worker, ones in came.items():
        for name, texts in by_name(ones).items():
            assert texts == sorted(texts, key=int), f"{worker} got {name}'s in the order {texts}"
    done = site.ctl("a", "wait-ready", "--timeout", int(PATIENCE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r.status for r in site.to_xmpp(site.users[1], names, ["at last"])} <= TAKEN


class Supervisors:
    """Of each host: what ends because it was asked to restart is started again, but for those in `left`."""

    def __init__(self, site):
        self.site, self.left, self.stopping = site, set(), threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _watch(self):
        while not self.stopping.wait(0.1):
            for name, process in self.site.processes.items():
                if name not in self.left and not process.running() and process.process.returncode == START_AGAIN:
                    process.stop()
                    process.start()


class Load:
    """Messages from a SIP user of each host, one after another, until it ends."""

    def __init__(self, site):
        self.site, self.stopping, self.answers = site, threading.Event(), {}
        self.threads = [threading.Thread(target=self._send, args=user) for user in enumerate(site.users)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _send(self, number, user):
        for i in range(10**6):
            if self.stopping.is_set():
                return
            text = f"{number} {i}"
            self.answers[text] = user.message(f"sip:user{i % 8}*xmpp.test@sip-xmpp.test", text, within=60).status


def test_a_rolling_restart_from_one_host_reaches_all_of_them_and_loses_nothing(site):
    before = {name: process.pid for name, process in site.processes.items()}
    with Supervisors(site), Load(site) as load:
        eventually(lambda: len(load.answers) > 10, "the load is on")
        done = site.ctl("a", "rolling-restart", "--timeout", int(PATIENCE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all {len(before)} processes were restarted" in done.stdout
    assert not [name for name, process in site.processes.items() if process.pid == before[name]]

    assert set(load.answers.values()) <= TAKEN | {503}
    accepted = {text for text, status in load.answers.items() if status in TAKEN}
    came = [text for ones in site.arrived(len(accepted)).values() for _, text in ones]
    assert len(set(came)) == len(came), "doubled"
    assert accepted <= set(came), "lost"
    assert not {text for text, status in load.answers.items() if status == 503} & set(came)


def test_a_rolling_restart_stops_at_the_host_whose_supervisor_does_not_start_again(site):
    before = {name: process.pid for name, process in site.processes.items()}
    with Supervisors(site) as supervisors:
        supervisors.left.add("sip-2")
        done = site.ctl("a", "rolling-restart", "--timeout", 1)
    assert done.returncode == 1
    assert "stopped at sip-2: no new process has taken its place" in done.stderr and "exit status 75" in done.stderr
    assert site.processes["sip-2"].stop() == START_AGAIN
    untouched = {"mapper-1", "mapper-2", "component-1", "component-2", "component-3"}
    assert {name for name in untouched if site.processes[name].pid == before[name]} == untouched
