"""deploy/examples, used as their reader would: on a machine of its own with the servers' packages as Debian delivers
them, their usual ports, and the files changed as each example says."""
import itertools
import re
import subprocess
import tempfile
import types

import pytest

from support import loopback
from support.certificates import Authority
from support.machine import CannotBoot, Machine
from support.phone import Baresip
from support.publisher import Publisher
from support.sip_user import SipUser
from support.stox import PROGRAMS, REPOSITORY
from support.waiting import eventually
from support.websocket_user import WebSocketUser
from support.xmpp_user import XmppUser

BUILD = PROGRAMS.parent
EXAMPLES = REPOSITORY / "deploy" / "examples"
SECRET = "the component's secret"
HERE = "127.0.0.1"
names = map("romeo{}".format, itertools.count(1))


def secret_in(name):
    text = (EXAMPLES / name).read_text()
    assert SECRET in text
    return text.replace(SECRET, "s3cret")


def once(text, old, new):
    assert text.count(old) == 1, f"{text.count(old)} times: {old!r}"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def machine(network):
    """On which stox is installed, with the configuration that is installed filled in as it asks for."""
    with tempfile.TemporaryDirectory(prefix="stox-machine-") as folder:
        made = Machine(folder, shared=[REPOSITORY, BUILD])
        try:
            made.start()
        except CannotBoot as why:
            pytest.skip(str(why))
        try:
            made.run("cmake", "--install", BUILD)
            text = made.run("cat", "/etc/stox/stox.toml").stdout
            for key in "gateway_domain", "xmpp_domain", "outbound_proxy":
                text = once(text, f"\n# {key} = ", f"\n{key} = ")
            made.write("/etc/stox/stox.toml", once(text, '# xmpp_password = "..."', 'xmpp_password = "s3cret"'))
            made.run("systemctl", "start", "stox.target")
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def put(machine, path, text, owner="root:root", mode="644"):
    machine.run("touch", path)
    machine.write(path, text)
    machine.run("chown", owner, path)
    machine.run("chmod", mode, path)


def start(machine, unit, *ports):
    machine.run("systemctl", "restart", unit)
    eventually(lambda: all(loopback.accepts(HERE, port) for port in ports), f"{unit} listens", within=90)


def ready(machine):
    machine.run("stoxctl", "wait-ready", "--timeout", 90)


# XMPP servers.


class Prosody:
    file = "/etc/prosody/prosody.cfg.lua"

    def __init__(self, machine, stock, authority):
        certificate, key = authority.sign("DNS:localhost", stem="localhost")
        put(machine, "/etc/prosody/certs/localhost.crt", certificate.read_text(), "root:prosody", "640")
        put(machine, "/etc/prosody/certs/localhost.key", key.read_text(), "root:prosody", "640")
        machine.write(self.file, stock + secret_in("prosody.cfg.lua"))
        # That the component is not below a host of users is all that it has to say, and is so by localhost.
        said = machine.run("prosodyctl", "check", "config", check=False).stdout
        assert "unreferenced components" in said and "global" not in said and "component_" not in said, said
        start(machine, "prosody", 5347, 5222)
        machine.run("prosodyctl", "register", "juliet", "localhost", "pw")


class Ejabberd:
    file = "/etc/ejabberd/ejabberd.yml"

    def __init__(self, machine, stock, authority):
        both = "".join(file.read_text() for file in authority.sign("DNS:localhost", stem="ejabberd"))
        put(machine, "/etc/ejabberd/ejabberd.pem", both, "root:ejabberd", "640")
        machine.write(self.file, once(stock, "\nlisten:\n", "\nlisten:\n" + secret_in("ejabberd.yml")))
        start(machine, "ejabberd", 5347, 5222)
        machine.run("ejabberdctl", "register", "juliet", "localhost", "pw")


def test_jabberd2s_router_takes_the_gateway(machine):
    """The router alone: COMPAT(jabberd2 2.7) Debian's init script does not start it, and its users' tables are MySQL's."""
    stock = text = machine.run("cat", "/etc/jabberd2/router.xml").stdout
    for line in re.findall(r"^<(?:ip|secret)>.*", secret_in("jabberd2.router.xml"), re.M):
        element = re.match(r"<(\w+)>", line)[1]
        text, count = re.subn(rf"(<local>.*?)<{element}>.*?</{element}>", lambda m: m[1] + line, text, count=1, flags=re.S)
        assert count == 1, element
    machine.write("/etc/jabberd2/router.xml", text)
    machine.run("systemd-run", "--unit=router", "-p", "RuntimeDirectory=jabberd2", "-p", "User=jabber",
                "/usr/sbin/jabberd2-router", "-c", "/etc/jabberd2/router.xml")
    try:
        ready(machine)
    finally:
        machine.run("systemctl", "stop", "router")
        machine.write("/etc/jabberd2/router.xml", stock)


def test_server_mode_with_a_certificate_of_lets_encrypts_kind(machine, tmp_path):
    """A chain with an intermediate certificate, which only root may read, and a renewal."""
    live = "/etc/letsencrypt/live/xmpp-sip.example.org"
    hook = "/etc/letsencrypt/renewal-hooks/deploy/stox"
    stock = machine.run("cat", "/etc/stox/stox.toml").stdout
    machine.run("systemctl", "stop", "stox-xmpp-worker@component-1")
    machine.write("/etc/stox/stox.toml", stock[:stock.index("[[xmpp_worker]]")] + (EXAMPLES / "server.toml").read_text())
    machine.run("mkdir", "-p", live, "/etc/letsencrypt/renewal-hooks/deploy")
    put(machine, hook, (EXAMPLES / "certbot-hook").read_text(), mode="755")
    root = Authority(tmp_path / "authority")

    def renew():
        chain, key = root.chain("DNS:xmpp-sip.example.org")
        put(machine, f"{live}/fullchain.pem", chain, mode="600")
        put(machine, f"{live}/privkey.pem", key, mode="600")
        machine.run("env", f"RENEWED_LINEAGE={live}", hook)
        return chain

    def shown():
        """What another server sees, if it believes the certificate to be this domain's."""
        asked = ["openssl", "s_client", "-connect", f"{HERE}:5269", "-starttls", "xmpp-server", "-xmpphost", "xmpp-sip.example.org",
                 "-verify_hostname", "xmpp-sip.example.org", "-verify_return_error", "-CAfile", str(root.ca)]
        said = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", said, re.S)
        return found[0] if found and "Verify return code: 0 (ok)" in said else None

    first = renew()
    machine.run("systemctl", "start", "stox.target")
    eventually(lambda: shown() == leaf(first), "the certificate is shown")
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/stox/tls/xmpp-sip.example.org.key").stdout.strip() == "root:stox 640"
    pid = machine.unit("stox-xmpp-worker@server-1", "MainPID")
    second = renew()
    eventually(lambda: shown() == leaf(second), "the renewed one is shown")
    assert machine.unit("stox-xmpp-worker@server-1", "MainPID") == pid

    machine.run("systemctl", "stop", "stox-xmpp-worker@server-1")
    machine.write("/etc/stox/stox.toml", stock)
    machine.run("systemctl", "start", "stox.target")


def leaf(chain):
    return re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", chain, re.S)[0]


@pytest.fixture(scope="module", params=[Prosody, Ejabberd], ids=["prosody", "ejabberd"])
def xmpp_server(request, machine, authority):
    """Its users log in with TLS, which the packages' configurations ask for."""
    stock = machine.run("cat", request.param.file).stdout
    request.param(machine, stock, authority)
    yield types.SimpleNamespace(host=HERE, c2s_port=5222, domain="localhost")
    machine.run("systemctl", "stop", request.param.__name__.lower())
    machine.write(request.param.file, stock)


@pytest.fixture
def juliet(xmpp_server, authority):
    user = XmppUser(xmpp_server, "juliet", authority=authority)
    yield user
    user.close()


# The SIP side.

STOCK = "/etc/kamailio/kamailio.cfg"


@pytest.fixture(scope="module", params=["without-authentication", "with-authentication"])
def kamailio(request, machine, authority):
    stock = machine.run("cat", STOCK).stdout
    text = stock
    defines = ["WITH_TLS", "WITH_WEBSOCKET"]
    if request.param == "with-authentication":
        # Instead of MySQL, which the tests do without, tables in files, and presence in memory.
        defines += ["WITH_AUTH", "WITH_PRESENCE", 'DBURL "text:///etc/kamailio/dbtext"']
        text = once(text, "#!ifdef WITH_MYSQL\nloadmodule", 'loadmodule "db_text.so"\n#!ifdef WITH_MYSQL\nloadmodule')
        text = once(text, 'modparam("presence", "db_url", DBURL)', 'modparam("presence", "db_url", DBURL)\n'
                    'modparam("presence", "subs_db_mode", 0)\nmodparam("presence", "publ_cache", 2)')
        machine.run("cp", "-rT", "/usr/share/kamailio/dbtext/kamailio", "/etc/kamailio/dbtext")
        rows = [f"{i}:romeo{i}:sip.example.org:pw:-:-\n" for i in range(1, 50)]
        machine.write("/etc/kamailio/dbtext/subscriber",
                      machine.run("cat", "/etc/kamailio/dbtext/subscriber").stdout + "".join(rows))
    text = once(text, "#!KAMAILIO\n", "#!KAMAILIO\n" + "".join(f"#!define {one}\n" for one in defines))
    text = once(text, '# alias="sip.mydomain.com"', 'alias="sip.example.org"')
    # What the example says.
    example = (EXAMPLES / "kamailio.cfg").read_text()
    line, include = re.search(r"#     (route\(STOX\);) ", example)[1], re.search(r"#     (include_file .*\")", example)[1]
    text = once(text, "\troute(WITHINDLG);\n", f"\t{line}\n\troute(WITHINDLG);\n") + include + "\n"
    put(machine, "/etc/kamailio/stox.cfg", example)
    certificate, key = authority.sign(f"IP:{HERE}", "DNS:sip.example.org", stem="kamailio")
    put(machine, "/etc/kamailio/kamailio-selfsigned.pem", certificate.read_text())
    put(machine, "/etc/kamailio/kamailio-selfsigned.key", key.read_text(), "root:kamailio", "640")
    machine.write(STOCK, text)
    start(machine, "kamailio", 5061)
    yield request.param
    machine.run("systemctl", "stop", "kamailio")
    machine.write(STOCK, stock)


def phone(transport, authority, name=None):
    uri = f"sip:{name or next(names)}@sip.example.org"
    if transport == "wss":
        return WebSocketUser(uri, (HERE, 5061), "pw", authority)
    secure = transport == "tls"
    # A phone with TLS does not listen.
    return SipUser(HERE, uri, (HERE, 5061 if secure else 5060), transport, "pw", authority if secure else None, tcp=not secure)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "wss"])
def test_a_phone_and_an_xmpp_client_write_to_each_other(machine, kamailio, juliet, authority, transport):
    ready(machine)
    romeo = phone(transport, authority).register()
    answer = romeo.message_through_proxy("sip:juliet*localhost@sip-xmpp.example.org", "hello")
    assert (answer.status, answer.reason) == (200, "Accepted")
    message = juliet.next_message()
    name = romeo.uri.partition(":")[2].partition("@")[0]
    assert (message.body, message.sender) == ("hello", f"{name}*sip.example.org@xmpp-sip.example.org")
    juliet.send(message.sender, "hello yourself")
    assert romeo.next_request().text == "hello yourself"
    assert juliet.nothing_came()
    romeo.close()


# What Baresip asks of a support.kamailio.Kamailio.
PROXY = types.SimpleNamespace(host=HERE, port=5060, domain="sip.example.org", password="pw")
JULIET = "sip:juliet*localhost@sip-xmpp.example.org"


def baresip(folder, **how):
    name = next(names)
    made = Baresip(folder / name, loopback.address(7), PROXY, name, JULIET, **how)
    return made.start(), f"{name}*sip.example.org@xmpp-sip.example.org"


def has_contact(phone, state):
    def is_so():
        phone.type("/contacts")
        return (re.findall(r"(\w+) contact <", phone.shown()) or [""])[-1] == state

    eventually(is_so, f"{phone.name} has its contact {state}")


def test_an_xmpp_user_sees_a_phone_come_and_go(machine, kamailio, juliet, authority, tmp_path):
    ready(machine)
    if kamailio == "with-authentication":  # and presence server
        romeo = phone("udp", authority).register()
        contact = f"{romeo.uri.partition(':')[2].replace('@', '*')}@xmpp-sip.example.org"
        desk = Publisher(romeo, "desk")
        desk.publish(activity="busy", note="at the desk")
        assert juliet.subscribe(contact) == ["subscribed"]
        juliet.sees(contact, show="dnd", status="at the desk")
        desk.leave()
        juliet.sees(contact, "unavailable")
        desk.publish()
        juliet.sees(contact)
        romeo.close()
    else:
        romeo, contact = baresip(tmp_path)
        assert juliet.subscribe(contact) == ["subscribed"]
        romeo.is_available(True)
        juliet.sees(contact)
        romeo.is_available(False)
        juliet.sees(contact, "unavailable")
        romeo.stop()


def test_a_phone_sees_an_xmpp_user_come_and_go(machine, kamailio, juliet, tmp_path):
    # COMPAT(ejabberd 23): its file lets nobody be asked by more than five contacts a minute.
    transport = "tcp" if kamailio == "with-authentication" else "udp"
    ready(machine)
    romeo, contact = baresip(tmp_path, transport=transport, watches=True)
    juliet.asked_by(contact)
    juliet.say_presence(to=contact, type="subscribed")
    has_contact(romeo, "Online")
    juliet.say_presence(show="dnd")
    has_contact(romeo, "Busy")
    juliet.say_presence(type="unavailable")
    has_contact(romeo, "Offline")
    romeo.stop()


def test_nobody_speaks_for_others(machine, kamailio, authority):
    ready(machine)
    stranger = phone("udp", authority)
    try:
        to = "sip:juliet*localhost@sip-xmpp.example.org"
        assert stranger.message(to, "psst", sender="sip:mallory@elsewhere.example").status == 403
        # As in a dialog, of which there is none.
        within = [("To", f"<{to}>;tag=made-up"), ("Route", "<sip:127.0.0.1:5060;lr>"), ("Route", "<sip:127.0.0.1:5080;lr>")]
        assert stranger.message(to, "psst", sender="sip:mallory@elsewhere.example", headers=within).status == 403
        if kamailio == "with-authentication":
            assert stranger.message(to, "psst").status == 407
            assert stranger.message(to, "psst", headers=within).status == 407
            stranger.password = "guessed"
            assert stranger.message_through_proxy(to, "psst").status == 407
    finally:
        stranger.close()


def test_supervisord_runs_them_as_the_user_of_the_service(machine):
    machine.run("systemctl", "stop", "stox.target", *(f"stox-{one}" for one in
                ("mapper@mapper-1", "sip-front@sip-1", "xmpp-worker@component-1")))
    put(machine, "/etc/supervisor/conf.d/stox.conf", (REPOSITORY / "deploy" / "supervisord" / "stox.conf").read_text())
    machine.run("systemctl", "start", "supervisor")
    eventually(lambda: machine.run("supervisorctl", "update", check=False).returncode == 0, "supervisord answers")

    def users():
        pids = re.findall(r"RUNNING +pid (\d+)", machine.run("supervisorctl", "status", check=False).stdout)
        return [machine.run("stat", "-c", "%U:%G", f"/proc/{pid}", check=False).stdout.strip() for pid in pids]

    eventually(lambda: users() == 3 * ["stox:stox"], "three processes of the user stox")
    eventually(lambda: "unreachable" not in machine.run("stoxctl", "status", check=False).stdout, "all answer")
    machine.run("systemctl", "stop", "supervisor")
    machine.run("systemctl", "start", "stox.target")
