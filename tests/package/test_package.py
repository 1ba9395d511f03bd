"""The Debian package on a machine that has nothing but Debian: installed, configured, upgraded, purged. The tests follow each
other. STOX_BUILD names a build whose programs go into the package, STOX_PACKAGE a package that is built already,
STOX_DEBIAN a root folder that debootstrap has made."""
import itertools
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from support import loopback
from support.machine import CannotBoot, Machine
from support.sip_user import SipUser
from support.waiting import eventually
from support.xmpp_server import XmppServer

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["stox-mapper", "stox-sip-front", "stox-xmpp-worker", "stoxctl"]
UNITS = ["stox-mapper@mapper-1", "stox-sip-front@sip-1", "stox-xmpp-worker@component-1"]
ENDBR64 = b"\xf3\x0f\x1e\xfa"  # where an indirect jump may lead; Debian's own objects have few
HERE = loopback.address(1)
users = map(loopback.address, itertools.count(2))


def run(*words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def package():
    """As deploy/make-package builds it; lintian has nothing to say against it."""
    if "STOX_PACKAGE" in os.environ:
        return pathlib.Path(os.environ["STOX_PACKAGE"])
    return pathlib.Path(run(REPOSITORY / "deploy" / "make-package").splitlines()[-1])


@pytest.fixture(scope="module")
def newer(package, tmp_path_factory):
    """The same as a later version."""
    folder = tmp_path_factory.mktemp("newer")
    run("dpkg-deb", "-R", package, folder / "tree")
    control = folder / "tree" / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", r"\g<0>+newer", control.read_text(), flags=re.M))
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", folder / "tree", folder / "newer.deb")
    return folder / "newer.deb"


@pytest.fixture(scope="module")
def machine(debian):
    with tempfile.TemporaryDirectory(prefix="stox-machine-") as folder:
        made = Machine(folder, lower=debian)
        try:
            made.start()
        except CannotBoot as why:
            pytest.skip(str(why))
        try:
            put(made, "/etc/resolv.conf", pathlib.Path("/etc/resolv.conf").read_bytes())
            updated = made.run("apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any", check=False, within=600)
            if updated.returncode != 0:
                pytest.skip(f"there is no Debian archive: {updated.stderr[-300:]}")
            yield made
        finally:
            made.stop()


def put(machine, path, content):
    subprocess.run(machine.command("sh", "-c", f"cat >{path}"), input=content, check=True)


def install(machine, package):
    put(machine, "/srv/stox.deb", package.read_bytes())
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install", "--no-install-recommends",
                       "/srv/stox.deb", within=900)


def pids(machine):
    return [int(machine.unit(unit, "MainPID")) for unit in UNITS]


@pytest.fixture(scope="module")
def xmpp_server():
    made = XmppServer(HERE, "s3cret")
    yield made
    made.close()


@pytest.fixture(scope="module")
def port():
    return loopback.free_port(HERE, 5080)


def steps_in_readme():
    block = re.search(r"## Install it\n(?:[^ \n].*\n|\n)*((?:    .*\n)+)", (REPOSITORY / "README.md").read_text())[1]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def crosses(port, xmpp_server, text):
    romeo = SipUser(next(users), "sip:romeo@sip.example.org", (HERE, port))
    assert romeo.message("sip:juliet*xmpp.example.org@sip-xmpp.example.org", text).status == 200
    romeo.close()
    assert xmpp_server.next_stanza().findtext("{jabber:component:accept}body") == text


def test_the_programs_are_hardened(package, tmp_path):
    if "STOX_BUILD" in os.environ:
        pytest.skip("these programs are no release")
    run("dpkg-deb", "-x", package, tmp_path)
    symbols = ""
    for name in PROGRAMS:
        program = tmp_path / "usr" / "bin" / name
        headers, dynamic = run("readelf", "-hlW", program), run("readelf", "-dW", program)
        assert "DYN (Position-Independent Executable file)" in headers
        assert "GNU_RELRO" in headers and re.search(r"FLAGS.*NOW", dynamic)
        assert re.search(r"GNU_STACK .* RW ", headers), "the stack is not executable"
        here = run("readelf", "--dyn-syms", "-W", program)
        assert "__stack_chk_fail" in here
        symbols += here
        if os.uname().machine == "x86_64":
            assert program.read_bytes().count(ENDBR64) > 1000, "no -fcf-protection"
    assert re.search(r"__(?!stack)\w+_chk@", symbols), "no FORTIFY_SOURCE"


def test_an_installation_starts_nothing_and_says_what_is_missing(machine, package):
    said = install(machine, package)
    assert "fill in /etc/stox/stox.toml" in said.stdout + said.stderr
    rights = machine.run("stat", "-c", "%n %U:%G %a", "/etc/stox", "/etc/stox/stox.toml", "/run/stox", "/var/lib/stox").stdout
    assert rights.split("\n")[:4] == ["/etc/stox root:stox 750", "/etc/stox/stox.toml root:stox 640", "/run/stox stox:stox 750",
                                      "/var/lib/stox stox:stox 750"]
    assert pids(machine) == [0, 0, 0]

    done = machine.run("stox-mapper", "--check", check=False)
    assert done.returncode == 78 and "gateway.gateway_domain is missing" in done.stderr
    assert machine.run("systemctl", "start", "stox.target", check=False).returncode != 0
    assert pids(machine) == [0, 0, 0]
    eventually(lambda: "gateway.gateway_domain is missing" in machine.journal("-u", "stox-start"), "the journal says why")


def test_what_it_asks_for_filled_in_it_works(machine, xmpp_server, port):
    text = machine.run("cat", "/etc/stox/stox.toml").stdout
    for old, new in (('# gateway_domain =', 'gateway_domain ='), ('# xmpp_domain =', 'xmpp_domain ='),
                     ('# outbound_proxy =', 'outbound_proxy ='), ('# xmpp_password = "..."', 'xmpp_password = "s3cret"'),
                     ('xmpp_host = "127.0.0.1"', f'xmpp_host = "{HERE}"'), ('xmpp_port = 5347', f'xmpp_port = {xmpp_server.component_port}'),
                     ('"udp:127.0.0.1:5080", "tcp:127.0.0.1:5080"', f'"udp:{HERE}:{port}", "tcp:{HERE}:{port}"')):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    machine.write("/etc/stox/stox.toml", text)
    steps = steps_in_readme()
    assert [step.split()[0] for step in steps[:3]] == ["deploy/make-package", "apt", "editor"], "all that has been done by now"
    for step in steps[3:]:
        said = machine.run("sh", "-c", step, check=not step.endswith("doctor")).stdout
    assert "outbound_proxy 127.0.0.1:5060" in said and "component-1: runs, and is ready" in said, "the proxy alone is missing"
    crosses(port, xmpp_server, "hello")
    assert machine.run("systemctl", "is-enabled", "stox.target").stdout.strip() == "enabled"


def test_an_upgrade_restarts_one_after_another(machine, newer, xmpp_server, port):
    before, configuration = pids(machine), machine.run("cat", "/etc/stox/stox.toml").stdout
    assert 0 not in before
    said = install(machine, newer)
    assert "all 3 processes were restarted" in said.stdout + said.stderr
    assert not set(before) & set(pids(machine)) and 0 not in pids(machine)
    assert machine.run("cat", "/etc/stox/stox.toml").stdout == configuration
    machine.run("stoxctl", "wait-ready", "--timeout", 60)
    crosses(port, xmpp_server, "hello again")


def test_an_upgrade_while_the_xmpp_server_is_away_leaves_them_running(machine, package, xmpp_server):
    """Nothing is restarted that could not come back, and the installation does not fail."""
    before = pids(machine)
    xmpp_server.refuse_with = "not-authorized"
    xmpp_server.disconnect()
    eventually(lambda: machine.run("stoxctl", "status", check=False).returncode == 1, "the worker is not ready")
    put(machine, "/srv/stox.deb", package.read_bytes())
    said = machine.run("dpkg", "-i", "/srv/stox.deb", within=300)
    assert "not all processes have been restarted" in said.stdout + said.stderr
    assert pids(machine) == before


def test_a_purge_leaves_nothing(machine):
    machine.run("apt-get", "-q", "-y", "remove", "stox")
    assert pids(machine) == [0, 0, 0]
    assert machine.run("cat", "/etc/stox/stox.toml").stdout, "a removal keeps the configuration"
    machine.run("apt-get", "-q", "-y", "purge", "stox")
    left = machine.run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/srv", "-o", "-path", "/var/log",
                       "-o", "-path", "/var/cache", ")", "-prune", "-o", "-iname", "*stox*", "-print").stdout
    assert left == ""
    assert machine.run("getent", "passwd", "stox", check=False).stdout == ""
    assert machine.run("getent", "group", "stox", check=False).stdout == ""
    assert "stox" not in machine.run("systemctl", "list-units", "--all", "--no-legend", "stox*").stdout
