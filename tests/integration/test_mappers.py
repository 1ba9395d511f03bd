"""Mappers that come and go, by HUP and by DNS, and keys that let processes in or not."""
import copy
import signal
import tomllib

import pytest

from support import bus_keys, loopback
from support.changing_dns import A, SRV, ChangingDns
from support.child import Child
from support.sip_user import SipUser
from support.stox import PROGRAMS, Stox, toml
from support.waiting import eventually
from support.xmpp_server import XmppServer

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"


class Mapped(Stox):
    """A gateway whose mappers are on TCP addresses."""

    def __init__(self, folder, first):
        self.xmpp_server = XmppServer(loopback.address(first))
        super().__init__(folder, loopback.address(first + 1), self.xmpp_server)
        self.romeo = SipUser(loopback.address(first + 2), "sip:romeo@sip.test", self.address)
        self.mapper_hosts = [loopback.address(first + 3), loopback.address(first + 4)]
        self.mapper_port = loopback.free_port(self.mapper_hosts[0])

    def mapper(self, name, host):
        """A mapper's process, of a section or an instance."""
        process = Child(name, [PROGRAMS / "stox-mapper", "-f", self.file, "-n", name], self.folder,
                        {"STOX_MAPPER_BIND": f"tcp://{host}:{self.mapper_port}"})
        self.processes[name] = process
        return process

    def keys(self):
        self.configuration["bus.curve"] = tomllib.loads(
            bus_keys.make(self.folder / "keys", "sip-1", "component-1"))["bus"]["curve"]
        return self.folder / "keys"

    def crosses(self, text):
        assert self.romeo.message(JULIET, text).status == 200
        assert self.xmpp_server.next_stanza().findtext("{jabber:component:accept}body") == text

    def mappers_of(self, name):
        return {peer["name"]: peer["state"] for peer in self.status()[name]["peers"] if peer.get("kind") == "mapper"}

    def close(self):
        self.romeo.close()
        self.stop()
        self.xmpp_server.close()


@pytest.fixture
def mapped(tmp_path):
    made = []

    def make(first):
        made.append(Mapped(tmp_path / "stox", first))
        return made[-1]

    yield make
    for one in made:
        one.close()


def both_have(stox, mappers):
    return all(stox.mappers_of(name) == mappers for name in ("sip-1", "component-1"))


def test_a_mapper_is_replaced_by_hup(mapped):
    stox = mapped(100)
    first, second = ({"name": f"mapper-{i}", "bind": f"tcp://{host}:{stox.mapper_port}"}
                     for i, host in enumerate(stox.mapper_hosts, 1))
    stox.configuration["mapper"] = [first]
    stox.keys()
    stox.write()
    stox.start()
    stox.ready()
    stox.crosses("by the first")

    stox.configuration["mapper"] = [first, second]
    stox.write()
    stox.mapper("mapper-2", stox.mapper_hosts[1]).start()
    for name in ("sip-1", "component-1"):
        stox.processes[name].signal(signal.SIGHUP)
    eventually(lambda: both_have(stox, {"mapper-1": "ready", "mapper-2": "ready"}), "the second mapper is used")

    stox.configuration["mapper"] = [second]
    stox.write()
    for name in ("sip-1", "component-1"):
        stox.processes[name].signal(signal.SIGHUP)
    eventually(lambda: both_have(stox, {"mapper-2": "ready"}), "the first mapper is let go")
    assert "only a restart brings" not in stox.log("sip-1")
    assert stox.processes["mapper-1"].stop() == 0
    stox.crosses("by the second")


@pytest.mark.parametrize("kind", [A, SRV], ids=["A", "SRV"])
def test_mappers_of_a_name_are_followed(mapped, kind):
    stox = mapped(110 if kind == A else 120)
    dns = ChangingDns(loopback.address(129))

    def point_to(*hosts):
        if kind == A:
            dns.records[("mappers.test", A)] = list(hosts)
        else:
            dns.records.update({(f"m{i}.test", A): [host] for i, host in enumerate(stox.mapper_hosts)})
            dns.records[("_stox._tcp.test", SRV)] = [(stox.mapper_port, f"m{stox.mapper_hosts.index(host)}.test")
                                                     for host in hosts]

    name = f"mappers.test:{stox.mapper_port}" if kind == A else "_stox._tcp.test"
    stox.configuration["dns"] = {"servers": [dns.address]}
    stox.configuration["mapper"] = [{"name": "mapper", "bind": f"tcp://0.0.0.0:{stox.mapper_port}",
                                     "connect": f"tcp://{name}"}]
    stox.keys()
    stox.write()
    del stox.processes["mapper-1"]
    point_to(stox.mapper_hosts[0])
    stox.start("sip-1", "component-1")
    stox.mapper("mapper@one", stox.mapper_hosts[0]).start()
    eventually(lambda: both_have(stox, {"mapper@one": "ready"}), "the first mapper is found")
    stox.crosses("by the first")

    stox.mapper("mapper@two", stox.mapper_hosts[1]).start()
    point_to(*stox.mapper_hosts)
    eventually(lambda: both_have(stox, {"mapper@one": "ready", "mapper@two": "ready"}), "the second is found, too")
    stox.ready()

    point_to(stox.mapper_hosts[1])
    eventually(lambda: both_have(stox, {"mapper@two": "ready"}), "the first is let go")
    assert stox.processes["mapper@one"].stop() == 0
    stox.crosses("by the second")
    dns.close()


def test_keys_are_let_in_and_put_out_by_hup(mapped):
    stox = mapped(130)
    stox.configuration["mapper"] = [{"name": "mapper-1", "bind": f"tcp://{stox.mapper_hosts[0]}:{stox.mapper_port}"}]
    stox.keys()
    stox.write()
    right = stox.processes["component-1"]
    ours = stox.configuration["bus.curve"]["keys"]
    other = tomllib.loads(bus_keys.make(stox.folder / "other", "sip-1", "component-1"))["bus"]["curve"]
    strange = copy.deepcopy(stox.configuration)
    strange["bus.curve"].update(keys=other["keys"], edge_key_file=other["edge_key_file"])
    (stox.folder / "strange.toml").write_text(toml(strange))
    stox.processes["component-1"] = Child("component-1", [PROGRAMS / "stox-xmpp-worker", "-f", stox.folder / "strange.toml",
                                                          "-n", "component-1"], stox.folder)
    stox.start()

    def reason(name):
        return stox.status()[name].get("reason", "")

    def mapper_takes(key):
        stox.configuration["bus.curve"]["keys"] = {**ours, "component-1": key}
        stox.write()
        stox.processes["mapper-1"].signal(signal.SIGHUP)

    eventually(lambda: "does not let us in: our key" in reason("component-1"), "the worker says why it has no mapper")
    eventually(lambda: "was not let in: its key" in reason("mapper-1"), "the mapper says whom it refuses")
    assert "was not let in: its key" in stox.log("mapper-1")
    assert "does not let us in: our key" in stox.log("component-1")
    assert stox.romeo.message(JULIET, "for nobody").status == 503

    mapper_takes(other["keys"]["component-1"])
    stox.ready()
    stox.crosses("with a key that is known now")
    assert "component-1 (xmpp_worker) is connected" in stox.log("mapper-1")

    mapper_takes(ours["component-1"])
    eventually(lambda: "component-1 was put out: its key was taken out" in stox.log("mapper-1"), "it is put out")
    assert stox.romeo.message(JULIET, "for nobody").status == 503
    stox.processes["component-1"].stop()
    stox.processes["component-1"] = right.start()
    stox.ready()
    stox.crosses("with the right key")
