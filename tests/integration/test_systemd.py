"""Installed by cmake --install and run by the delivered units, under a systemd of its own."""
import itertools
import json
import tempfile

import pytest

from support import loopback
from support.machine import CannotBoot, Machine
from support.prosody import Prosody
from support.sip_user import SipUser
from support.stox import PROGRAMS, REPOSITORY
from support.waiting import eventually
from support.xmpp_user import XmppUser

BUILD = PROGRAMS.parent
UNITS = ["stox-mapper@mapper-1", "stox-sip-front@sip-1", "stox-xmpp-worker@component-1"]
each_unit = pytest.mark.parametrize("unit", UNITS)
hosts = map(loopback.address, itertools.count(1))


@pytest.fixture(scope="module")
def machine():
    """On which stox is installed."""
    with tempfile.TemporaryDirectory(prefix="stox-machine-") as folder:
        made = Machine(folder, shared=[REPOSITORY, BUILD])
        try:
            made.start()
        except CannotBoot as why:
            pytest.skip(str(why))
        try:
            made.run("cmake", "--install", BUILD)
            yield made
        finally:
            made.stop()


class Installed:
    """A site whose gateway runs on the machine."""

    def __init__(self, machine, folder):
        self.machine, self.host = machine, next(hosts)
        self.port = loopback.free_port(self.host, 5060)
        self.prosody = Prosody(folder / "prosody", next(hosts), users=["juliet"]).start()
        self.configure()

    def configure(self, level="info", more="", port=None, bind=""):
        self.machine.write("/etc/stox/stox.toml", f"""
[gateway]
gateway_domain = "sip-xmpp.test"
xmpp_domain = "xmpp-sip.test"
[log]
level = "{level}"
{more}
[[mapper]]
name = "mapper-1"
{bind and f'bind = "{bind}"'}
[[sip_front]]
name = "sip-1"
listen = ["udp:{self.host}:{self.port}"]
[[xmpp_worker]]
name = "component-1"
xmpp_host = "{self.prosody.host}"
xmpp_port = {port or self.prosody.component_port}
xmpp_password = "secret"
""")

    def start(self):
        self.machine.run("systemctl", "start", "stox.target")
        return self.ready()

    def ready(self):
        self.machine.run("stoxctl", "wait-ready", "--timeout", 60)
        return self

    def pids(self):
        return [int(self.machine.unit(unit, "MainPID")) for unit in UNITS]

    def crosses(self):
        romeo = SipUser(next(hosts), "sip:romeo@sip.test", (self.host, self.port))
        juliet = XmppUser(self.prosody, "juliet")
        try:
            assert romeo.message("sip:juliet*xmpp.test@sip-xmpp.test", "hello").status == 200
            assert juliet.next_message().body == "hello"
        finally:
            romeo.close()
            juliet.close()

    def stop(self):
        self.machine.run("systemctl", "stop", "stox.target")
        for unit in UNITS:
            eventually(lambda: self.machine.unit(unit, "ActiveState") == "inactive", f"{unit} has ended")
        self.prosody.stop()


@pytest.fixture
def installed(machine, tmp_path):
    made = Installed(machine, tmp_path)
    yield made
    made.stop()


def test_what_is_installed_has_its_owner_and_rights(machine):
    def rights(path):
        return machine.run("stat", "-c", "%U:%G %a", path).stdout.strip()

    assert rights("/etc/stox") == "root:stox 750"
    assert rights("/etc/stox/stox.toml") == "root:stox 640"
    assert rights("/var/lib/stox") == rights("/run/stox") == "stox:stox 750"
    for page in "man8/stox-mapper.8", "man8/stox-sip-front.8", "man8/stox-xmpp-worker.8", "man1/stoxctl.1", "man5/stox.toml.5":
        assert rights(f"/usr/local/share/man/{page}") == "root:root 644"
    assert rights("/usr/local/share/doc/stox/operating.md") == "root:root 644"


def test_an_installation_keeps_the_configuration_that_is_there(machine):
    machine.write("/etc/stox/stox.toml", "# mine\n")
    machine.run("cmake", "--install", BUILD)
    assert machine.run("cat", "/etc/stox/stox.toml").stdout == "# mine\n"


def test_systemd_finds_nothing_wrong_with_the_units(machine):
    files = [f"/usr/local/lib/systemd/system/{name}" for name in
             ("stox-mapper@.service", "stox-sip-front@.service", "stox-xmpp-worker@.service", "stox-start.service", "stox.target")]
    done = machine.run("systemd-analyze", "--man=no", "verify", *files)
    assert "stox" not in done.stderr


def test_a_target_starts_what_the_configuration_names_and_messages_cross(installed):
    installed.start().crosses()
    for unit in UNITS:
        assert installed.machine.unit(unit, "StatusText").startswith("ready")


def test_where_some_are_enabled_by_name_only_those_are_started(installed):
    installed.machine.run("systemctl", "enable", UNITS[0])
    installed.machine.run("systemctl", "start", "stox.target")
    eventually(lambda: installed.machine.unit("stox-start.service", "ActiveState") == "inactive", "it has chosen")
    eventually(lambda: installed.machine.unit(UNITS[0], "MainPID") != "0", "the mapper runs")
    assert [pid != 0 for pid in installed.pids()] == [True, False, False]
    installed.machine.run("systemctl", "disable", UNITS[0])


def test_a_wrong_configuration_starts_nothing_and_says_why(installed):
    installed.configure(level="loud")
    assert installed.machine.run("systemctl", "start", "stox.target", check=False).returncode != 0
    assert installed.pids() == [0, 0, 0]
    eventually(lambda: "log.level" in installed.machine.journal("-u", "stox-start"), "the reason is in the journal")
    # One of them started by hand says so, too, and is not tried again.
    installed.machine.run("systemctl", "start", UNITS[0], check=False)
    eventually(lambda: installed.machine.unit(UNITS[0], "ExecMainStatus") == "78", "it has ended")
    eventually(lambda: "log.level" in installed.machine.journal("-p", "err", "-u", UNITS[0]), "it says so, as an error")
    installed.machine.run("systemctl", "reset-failed")


@each_unit
def test_one_that_is_killed_comes_back_however_often(installed, unit):
    machine = installed.start().machine
    for _ in range(7):  # systemd's own limit is five starts in ten seconds
        before = machine.unit(unit, "MainPID")
        machine.run("kill", "-9", before)
        eventually(lambda: machine.unit(unit, "MainPID") not in ("0", before), f"{unit} is back")
    installed.ready().crosses()


def test_reload_reads_the_configuration_again(installed):
    machine = installed.start().machine
    before = installed.pids()
    installed.configure(level="debug")
    for unit in UNITS:
        machine.run("systemctl", "reload", unit)
        eventually(lambda: "configuration read" in machine.journal("-u", unit), f"{unit} has read it")
    assert installed.pids() == before
    installed.crosses()
    eventually(lambda: machine.journal("-p", "debug..debug", "-u", UNITS[1]), "lines of level debug")


@pytest.mark.parametrize("command", ["", 'restart_command = "systemctl restart {program}@{name}"'], ids=["", "by-systemctl"])
def test_rolling_restart(installed, command):
    installed.configure(more=f"[runtime]\n{command}")
    machine = installed.start().machine
    before = installed.pids()
    said = machine.run("stoxctl", "rolling-restart").stdout
    assert "all 3 processes were restarted" in said
    assert not set(before) & set(installed.pids())
    assert {machine.unit(unit, "ActiveState") for unit in UNITS} == {"active"}
    installed.ready().crosses()


def test_the_journal_knows_which_lines_are_warnings(installed):
    installed.configure(port=loopback.free_port(installed.prosody.host))
    machine = installed.machine
    machine.run("systemctl", "start", "stox.target")
    warnings = eventually(lambda: machine.journal("-p", "warning", "-u", UNITS[2]), "lines of level warning")
    assert " info " not in warnings and "<" not in warnings.splitlines()[0][:3]

    def priorities():
        lines = map(json.loads, machine.run("journalctl", "-o", "json", "-u", UNITS[2]).stdout.splitlines())
        return {line["PRIORITY"] for line in lines if line.get("SYSLOG_IDENTIFIER") == "stox-xmpp-worker"}

    machine.run("systemctl", "reload", "--no-block", UNITS[2])
    eventually(lambda: priorities() >= {"6", "4"}, "lines of information and warnings")


@each_unit
def test_it_leaves_no_core(installed, unit):
    pid = installed.start().machine.unit(unit, "MainPID")
    limits = installed.machine.run("cat", f"/proc/{pid}/limits").stdout
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]


def test_keys_of_the_bus_are_for_who_runs_there_also_on_a_host_that_they_were_copied_to(installed):
    machine, bind = installed.machine, f"tcp://{installed.host}:{loopback.free_port(installed.host)}"
    installed.configure(bind=bind)  # which is none without keys
    said = machine.run("stoxctl", "keys").stdout
    installed.configure(bind=bind, more=said[said.index("[bus.curve]\nmapper_public_key"):])

    def as_user(user, *words):
        return machine.run("setpriv", f"--reuid={user}", f"--regid={machine.run('id', '-g', user).stdout.strip()}",
                           "--clear-groups", *words, check=False)

    def wrong():
        """What the processes' user is told of its keys."""
        checks = [as_user("stox", unit.partition("@")[0], "-n", unit.partition("@")[2], "--check") for unit in UNITS]
        return [done.stdout + done.stderr for done in checks if done.returncode != 0]

    try:
        assert wrong() == []
        # As root's copies are, and then what it prints for them, as it stands there.
        machine.run("sh", "-euc", "chown -R 0:0 /etc/stox/keys; chmod 700 /etc/stox/keys; chmod 600 /etc/stox/keys/*")
        assert [".key" in each and "Permission denied" in each for each in wrong()] == [True] * len(UNITS)
        [command] = [line for line in said.splitlines() if line.startswith("    chown ")]
        machine.run("sh", "-euc", command)
        assert wrong() == []
        assert as_user("nobody", "cat", "/etc/stox/keys/sip-1.key").returncode != 0
        installed.start().crosses()
    finally:
        machine.run("rm", "-rf", "/etc/stox/keys")
