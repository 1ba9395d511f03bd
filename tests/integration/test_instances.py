"""Several processes of one section, and the examples that use them."""
import os
import re
import subprocess

import pytest

from support import bus_keys, loopback
from support.child import Child
from support.sip_user import SipUser
from support.stox import PROGRAMS, REPOSITORY, Stox
from support.waiting import eventually
from support.xmpp_server import XmppServer

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
KUBERNETES = REPOSITORY / "deploy" / "kubernetes"


@pytest.fixture
def stox(tmp_path):
    """Two fronts sip-1@a and sip-1@b, two workers component-1@a and component-1@b, one mapper."""
    servers = {letter: XmppServer(loopback.address(140 + i)) for i, letter in enumerate("ab")}
    made = Stox(tmp_path / "stox", loopback.address(142), servers["a"])
    made.servers = servers
    for role in "sip_front", "xmpp_worker":
        made.configuration[role][0].pop("metrics", None)  # an address that instances would share
    made.write()
    made.fronts = {letter: (loopback.address(143 + i), made.port) for i, letter in enumerate("ab")}
    for letter, server in servers.items():
        host, port = made.fronts[letter]
        for name, environment in (
                ("sip-1", {"STOX_SIP_FRONT_LISTEN": f"udp:{host}:{port}"}),
                ("component-1", {"STOX_XMPP_WORKER_XMPP_HOST": server.host,
                                 "STOX_XMPP_WORKER_XMPP_PORT": str(server.component_port),
                                 "STOX_XMPP_WORKER_METRICS": f"{host}:{loopback.free_port(host)}"})):
            full = f"{name}@{letter}"
            program = made.processes[name].command[0]
            made.processes[full] = Child(full, [program, "-f", made.file, "-n", full], made.folder, environment)
    for name in "sip-1", "component-1":
        del made.processes[name]
    made.start(*made.processes)
    eventually(lambda: set(made.processes) == set(made.status()), "all answer")
    yield made.ready()
    made.stop()
    for server in servers.values():
        server.close()


def test_instances_share_a_section(stox):
    names = {"sip-1@a", "sip-1@b", "mapper-1", "component-1@a", "component-1@b"}
    assert set(stox.status()) == names
    users = [SipUser(loopback.address(146), "sip:romeo@sip.test", address) for address in stox.fronts.values()]
    for i in range(8):
        for user in users:
            assert user.message(f"sip:user{i}*xmpp.test@sip-xmpp.test", "hello").status in (200, 202)
    assert sum(server.stanzas.qsize() for server in stox.servers.values()) == 16
    assert all(server.stanzas.qsize() for server in stox.servers.values()), "both workers have a share"

    user = users[0]
    for server in stox.servers.values():
        server.send(f"<message from='juliet@xmpp.test/balcony' to='romeo*{user.host}\\3a{user.port}@xmpp-sip.test' "
                    f"type='chat'><body>hello back</body></message>")
        assert user.next_request().text == "hello back"

    stox.processes["sip-1@a"].kill()
    eventually(lambda: stox.state("sip-1@a") == "unreachable", "the one that died is missed")
    assert users[1].message(JULIET, "by the other").status in (200, 202)
    stox.processes["sip-1@a"].start()
    stox.ready()
    for one in users:
        one.close()


def test_an_instance_without_an_address_of_its_own_says_so(stox):
    copy = Child("sip-1@c", [PROGRAMS / "stox-sip-front", "-f", stox.file, "-n", "sip-1@c"], stox.folder,
                 {"STOX_SIP_FRONT_LISTEN": f"udp:{stox.fronts['a'][0]}:{stox.port}"}).start()
    eventually(lambda: not copy.running(), "it ended")
    assert copy.stop() == 1
    assert "in use" in copy.log()


@pytest.mark.parametrize("program, name", [("stox-mapper", "mapper@mapper-0"), ("stox-sip-front", "sip@sip-1"),
                                           ("stox-xmpp-worker", "component@component-0")])
def test_the_example_for_kubernetes_is_a_configuration(tmp_path, program, name):
    keys = bus_keys.make(tmp_path, "sip", "component")
    (tmp_path / "component-password").write_text("secret\n")
    text = (KUBERNETES / "stox.toml").read_text()
    for key in "mapper_public_key", "sip", "component":
        text = re.sub(rf"(?m)^{key} .*$", lambda _: re.search(rf"(?m)^{key} .*$", keys)[0], text)
    text = text.replace("/etc/stox/keys", str(tmp_path)).replace("/etc/stox/secret", str(tmp_path))
    (tmp_path / "stox.toml").write_text(text)
    manifest = next(file for file in KUBERNETES.glob("*.yaml") if f"command: [{program}," in file.read_text())
    assert f'--name, "{name.partition("@")[0]}@$(POD_NAME)"' in manifest.read_text()
    if program != "stox-mapper":  # whose root it cannot write; a worker's journal is there, a front's list of what it took
        assert "mountPath: /var/lib/stox}" in manifest.read_text()
    done = subprocess.run([PROGRAMS / program, "-f", tmp_path / "stox.toml", "-n", name, "--check"],
                          capture_output=True, text=True,
                          env={**os.environ, "STOX_SIP_FRONT_LISTEN": "udp:10.1.2.3:5060,tcp:10.1.2.3:5060"})
    assert done.returncode == 0, done.stderr
