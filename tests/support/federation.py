"""The gateway as an XMPP server of its own, and a real server of another domain that it talks to."""
import itertools
import pathlib
import re
import shutil
import tempfile

from support import loopback
from support.certificates import Authority
from support.child import Child
from support.ejabberd import EjabberdServer
from support.jabberd2 import Jabberd2
from support.name_server import NameServer
from support.prosody import ProsodyServer
from support.sip_user import SipUser
from support.stox import GATEWAY_DOMAIN, XMPP_DOMAIN, Stox
from support.xmpp_user import XmppUser

DOMAIN = "xmpp.test"  # of the other server


def _reached(host, s2s_host):
    """Where a server's port for servers is reached."""
    return host if s2s_host == "::" else s2s_host


def _prosody(folder, host, s2s_host, tls, modules=(), more=""):
    port = loopback.free_port(host, 5269)
    listed = ", ".join(f'"{m}"' for m in ("roster", "saslauth", "disco", "ping", "offline", "message", "presence", "iq",
                                          "c2s", "s2s", "dialback", *modules))
    listens = '"*", "::"' if s2s_host == "::" else f'"{s2s_host}"'
    return ProsodyServer(folder, host, DOMAIN, ["juliet"], lambda c2s_port: f"""
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
run_as_root = true
log = {{ debug = "*console" }}
c2s_interfaces = {{ "{host}" }}
s2s_interfaces = {{ {listens} }}
s2s_direct_tls_interfaces = {{ {listens} }}
c2s_ports = {{ {c2s_port} }}
s2s_ports = {{ {port} }}
modules_enabled = {{ {listed} }}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
unbound = {{ dnssec = false; options = {{ ["local-zone:"] = "test. transparent"; }} }}
{tls}
{more}
VirtualHost "{DOMAIN}"
""", (_reached(host, s2s_host), port))


class Jabberd2Server(Jabberd2):
    """jabberd2 with its part for streams to other servers."""

    def __init__(self, folder, host, s2s_host, files=None, ca=None, users=("juliet",)):
        super().__init__(folder, host, DOMAIN, users=users)
        # COMPAT(jabberd2 2.7): the address at which it listens is also where it connects from, with one family.
        self.s2s_host = _reached(host, s2s_host)
        self.s2s_port = loopback.free_port(host, 5269)
        changes = [(r"<port>5269</port>", f"<port>{self.s2s_port}</port>"),
                   (rf"(<local>\s*(?:<!--.*?-->\s*)*<ip>){re.escape(host)}</ip>", rf"\g<1>{self.s2s_host}</ip>"),
                   (r"<!--\s*<resolve-ipv6/>\s*-->", "<resolve-ipv6/>")]
        if files:
            pem = folder / "own.pem"
            pem.write_text("".join(file.read_text() for file in files))
            changes += [(r"(</secret>\s*-->)", rf"\1<pemfile>{pem}</pemfile><cachain>{ca}</cachain>")]
        self._configure("s2s", *changes)
        self.s2s = Child("s2s", ["jabberd2-s2s", "-c", folder / "s2s.xml"], folder)
        self.children = [*self.parts, self.s2s]

    def start(self):
        super().start()
        self.s2s.start()
        self.s2s.wait_until(lambda: loopback.accepts(self.s2s_host, self.s2s_port), "listening")
        return self

    def stop(self):
        self.s2s.stop()
        super().stop()


# What makes the other server of a Federation.

DISTRUST = "s2s_secure_auth = false\ns2s_require_encryption = true"


def prosody(more=""):
    def make(folder, host, s2s_host, authority):
        return _prosody(folder, host, s2s_host, "s2s_allow_encryption = false\ns2s_require_encryption = false", more=more)
    return make


def signed(authority, trusted):
    signer = authority if trusted else Authority(authority.folder / "other")
    return signer.sign(f"DNS:{DOMAIN}", usage="serverAuth"), signer.ca


def prosody_tls(trusted=True, modules=(), more="s2s_secure_auth = true"):
    def make(folder, host, s2s_host, authority):
        (certificate, key), ca = signed(authority, trusted)
        tls = f'ssl = {{ certificate = "{certificate}", key = "{key}", cafile = "{ca}" }}'
        return _prosody(folder, host, s2s_host, tls, ["tls", *modules], more)
    return make


def ejabberd(starttls=False, trusted=True, direct_tls=False):
    """starttls: as its option s2s_use_starttls."""
    def make(folder, host, s2s_host, authority):
        port = loopback.free_port(host, 5269)
        tls = {}
        if starttls:
            files, ca = signed(authority, trusted)
            tls = {"certfiles": list(map(str, files)), "ca_file": str(ca), "s2s_cafile": str(ca)}
        return EjabberdServer(folder, host, DOMAIN, ["juliet"], {
            "port": port, "ip": s2s_host, "module": "ejabberd_s2s_in", **({"tls": True} if direct_tls else {})},
            (_reached(host, s2s_host), port), ["s2s_dialback"], s2s_use_starttls=starttls, **tls)
    return make


def jabberd2(with_tls=False):
    def make(folder, host, s2s_host, authority):
        return Jabberd2Server(folder, host, s2s_host, *(signed(authority, True) if with_tls else ()))
    return make


PLAIN = {"worker": {"insecure_domains": [DOMAIN]}}
SERVERS = {"prosody": (prosody_tls(), {}), "ejabberd": (ejabberd("required"), {}), "jabberd2": (jabberd2(), PLAIN)}


class Federation:
    """make(folder, host, s2s_host, authority) makes the other server, not started. network: a support.hosts.Network on
    which gateway, other server and DNS are hosts of their own, found by SRV and the addresses of `family` (v4, v6, both);
    without one they are at loopback addresses, where no real server is. records(site, peer): what DNS says instead, as {domain:
    (addresses, port)}, addresses with commas between; services: {domain: [(service, port)]} where it is not _xmpp-server at
    that port; worker, tls: keys of the gateway's worker; usage: what the gateway's certificate is for."""

    _loopback = map(loopback.address, itertools.count(120))

    def __init__(self, make=None, worker=(), tls=(), records=None, with_certificate=True, services=(), network=None, family="v4",
                 usage="serverAuth"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stox-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.users, self.hosts, self.network = [], [], network
        (self.host, listens, own), (peer_host, peer_listens, peer), (dns_host, _, _) = (
            self._place(name, family) for name in ("gateway", "peer", "dns"))
        self.peer_host = peer_host
        self.authority = Authority(self.folder / "authority")
        self.port = loopback.free_port(self.host, 5269)
        records = records(self, peer) if records else {XMPP_DOMAIN: (own, self.port),
                                                       DOMAIN: (peer, loopback.free_port(peer_host, 5269))}
        self.name_server = NameServer(
            self.folder / "dns", dns_host, [(f"host.{domain}", addresses) for domain, (addresses, _) in records.items()],
            [(f"{service}._tcp.{domain}", f"host.{domain}", at, 5, 5) for domain, (_, port) in records.items()
             for service, at in dict(services).get(domain, [("_xmpp-server", port)])])
        self.server = make(self.folder / "peer", peer_host, peer_listens, self.authority) if make else None
        self.usage = usage
        self.sign()
        self.stox = Stox(self.folder / "stox", self.host, _Nobody, front={"trusted": ["127.0.0.0/8", "10.77.0.0/16"]}, worker={
            "backend": "server", "xmpp_host": listens, "xmpp_port": self.port, "dialback_secret": "s3cr3t",
            "tls": {**(self.files if with_certificate else {}), "ca": str(self.authority.ca), **dict(tls)}, **dict(worker)})
        if not network:
            self.stox.configuration["dns"] = {"servers": [self.name_server.address]}
            self.stox.write()
        self._enclose(0, *self.stox.processes.values())
        self._enclose(1, *(getattr(self.server, "children", [self.server]) if self.server else []))
        self._enclose(2, self.name_server)

    def _place(self, name, family):
        """A new host: its address of version 4, where its servers listen, its addresses for DNS."""
        if not self.network:
            address = next(self._loopback)
            return address, address, address
        self.hosts.append(host := self.network.host(name))
        return (host.address, *{"v4": (host.address, host.address), "v6": (host.address6, host.address6),
                                "both": ("::", f"{host.address},{host.address6}")}[family])

    def _enclose(self, number, *children):
        if self.network:
            self.hosts[number].asks(self.name_server.host)
            self.hosts[number].enclose(*children)

    def sign(self):
        """A new certificate of the gateway, at the old place."""
        files = self.authority.sign(f"DNS:{XMPP_DOMAIN}", usage=self.usage, stem="gateway")
        self.files = dict(zip(("certificate", "key"), map(str, files)))

    def another_worker(self, name):
        worker = self.stox.another_worker(name)
        self._enclose(0, worker)
        return worker

    def start(self):
        self.name_server.start()
        if self.server:
            self.server.start()
        self.stox.start()
        self.stox.ready()
        return self

    def sip_user(self, name):
        host = self.network.here if self.network else next(self._loopback)
        self.users.append(SipUser(host, f"sip:{name}@sip.test", self.stox.address, "udp", "pw"))
        return self.users[-1]

    def xmpp_user(self, name):
        self.users.append(XmppUser(self.server, name))
        return self.users[-1]

    def sip_uri(self, jid):
        return f"sip:{getattr(jid, 'bare', jid).replace('@', '*')}@{GATEWAY_DOMAIN}"

    def jid_at_host(self, sip_user):
        name = sip_user.uri.partition(":")[2].partition("@")[0]
        return f"{name}*{sip_user.host}\\3a{sip_user.port}@{XMPP_DOMAIN}"

    def text_goes_both_ways(self, sip_user, xmpp_user):
        answer = sip_user.message(self.sip_uri(xmpp_user), "Shall I hear more?")
        assert (answer.status, answer.reason) == (200, "Accepted")
        assert xmpp_user.next_message().body == "Shall I hear more?"

        xmpp_user.send(self.jid_at_host(sip_user), "Romeo, Romeo")
        assert sip_user.next_request().text == "Romeo, Romeo"

        # What jabberd2's session manager says of unknown users is the same condition.
        refused = sip_user.message(self.sip_uri(f"nobody@{DOMAIN}"), "Anyone?")
        assert (refused.status, refused.reason) == (404, "Not found")

    def streams(self):
        return self.stox.ctl_json("streams")["streams"]

    def stream(self, direction, domain=DOMAIN):
        """What stoxctl says of a stream, that which is up if there is one."""
        found = [s for s in self.streams() if (s["direction"], s["domain"]) == (direction, domain)]
        return next((s for s in found if s["state"] == "up"), found[0] if found else None)

    def stop(self):
        for user in self.users:
            user.close()
        self.stox.stop()
        if self.server:
            self.server.stop()
        self.name_server.stop()
        for host in self.hosts:
            host.close()
        shutil.rmtree(self.folder)


class _Nobody:
    """Stox wants to know a component's server; there is none."""

    host, component_port, secret = "127.0.0.1", 1, "unused"
