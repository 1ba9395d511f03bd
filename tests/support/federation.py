"""The gateway as an XMPP server of its own, and a real server of another domain that it talks to."""
import itertools
import pathlib
import shutil
import subprocess
import tempfile

from support import loopback
from support.authority import Authority
from support.child import Child
from support.name_server import NameServer
from support.sip_user import SipUser
from support.stox import GATEWAY_DOMAIN, XMPP_DOMAIN, Stox
from support.xmpp_user import XmppUser

DOMAIN = "xmpp.test"  # of the other server


def resolv_conf(folder, name_server):
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {name_server.partition(':')[0]}\n")  # which has no word for another port
    return file


class ProsodyServer(Child):
    """Prosody with streams to other servers. files: certificate and key, or none for no TLS; more: lines of its
    configuration."""

    def __init__(self, folder, host, name_server, files=None, ca=None, modules=(), more="", users=("juliet",)):
        folder.mkdir()
        self.host, self.domain = host, DOMAIN
        self.c2s_port, self.s2s_port = loopback.free_port(host, 5222), loopback.free_port(host, 5269)
        listed = ", ".join(f'"{m}"' for m in ("roster", "saslauth", "disco", "ping", "offline", "message", "presence", "iq",
                                              "c2s", "s2s", "dialback", *(["tls"] if files else []), *modules))
        tls = (f'ssl = {{ certificate = "{files[0]}", key = "{files[1]}", cafile = "{ca}" }}' if files else
               "s2s_allow_encryption = false\ns2s_require_encryption = false")
        self.config = folder / "prosody.cfg.lua"
        self.config.write_text(f"""
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
run_as_root = true
log = {{ debug = "*console" }}
interfaces = {{ "{host}" }}
c2s_ports = {{ {self.c2s_port} }}
s2s_ports = {{ {self.s2s_port} }}
modules_enabled = {{ {listed} }}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
unbound = {{ resolvconf = "{resolv_conf(folder, name_server)}"; hoststxt = false; dnssec = false;
            options = {{ ["local-zone:"] = "test. transparent"; ["do-not-query-localhost:"] = "no"; }} }}
{tls}
{more}
VirtualHost "{DOMAIN}"
""")
        (folder / "data").mkdir()
        super().__init__("prosody", ["prosody", "--config", self.config, "-F"], folder)
        for user in users:
            subprocess.run(["prosodyctl", "--config", self.config, "register", user, DOMAIN, "pw"], cwd=folder, check=True,
                           capture_output=True, stdin=subprocess.DEVNULL)

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.c2s_port) and
                        loopback.accepts(self.host, self.s2s_port), "listening")
        return self


class Federation:
    """make(folder, host, name_server, authority) makes the other server, not started. worker, tls: keys of the
    gateway's worker."""

    _hosts = map(loopback.address, itertools.count(120))

    def __init__(self, make=None, worker=(), tls=(), records=None, with_certificate=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stox-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.users = []
        self.host, peer_host, dns_host = next(self._hosts), next(self._hosts), next(self._hosts)
        self.authority = Authority(self.folder / "authority")
        self.port = loopback.free_port(self.host, 5269)
        peer_port = loopback.free_port(peer_host, 5269)
        self.name_server = NameServer(self.folder / "dns", dns_host,
                                      records(self, peer_host) if records else
                                      {XMPP_DOMAIN: (self.host, self.port), DOMAIN: (peer_host, peer_port)}).start()
        self.server = make(self.folder / "peer", peer_host, self.name_server.address, self.authority) if make else None
        files = dict(zip(("certificate", "key"), map(str, self.authority.sign(XMPP_DOMAIN)))) if with_certificate else {}
        self.stox = Stox(self.folder / "stox", self.host, _Nobody, worker={
            "backend": "server", "xmpp_host": self.host, "xmpp_port": self.port, "dialback_secret": "s3cr3t",
            "tls": {**files, "ca": str(self.authority.certificate), **dict(tls)}, **dict(worker)})
        self.stox.configuration["dns"] = {"servers": [self.name_server.address]}
        self.stox.write()

    def start(self):
        if self.server:
            self.server.start()
        self.stox.start()
        self.stox.ready()
        return self

    def sip_user(self, name):
        self.users.append(SipUser(next(self._hosts), f"sip:{name}@sip.test", self.stox.address, "udp", "pw"))
        return self.users[-1]

    def xmpp_user(self, name):
        self.users.append(XmppUser(self.server, name))
        return self.users[-1]

    def sip_uri(self, jid):
        return f"sip:{getattr(jid, 'bare', jid).replace('@', '*')}@{GATEWAY_DOMAIN}"

    def jid_at_host(self, sip_user):
        name = sip_user.uri.partition(":")[2].partition("@")[0]
        return f"{name}*{sip_user.host}\\3a{sip_user.port}@{XMPP_DOMAIN}"

    def streams(self):
        return self.stox.ctl_json("streams")["streams"]

    def stop(self):
        for user in self.users:
            user.close()
        self.stox.stop()
        if self.server:
            self.server.stop()
        self.name_server.stop()
        shutil.rmtree(self.folder)


class _Nobody:
    """Stox wants to know a component's server; there is none."""

    host, component_port, secret = "127.0.0.1", 1, "unused"
