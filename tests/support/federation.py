"""The gateway as an XMPP server of its own, and a real server of another domain that it talks to."""
import itertools
import pathlib
import shutil
import subprocess
import tempfile

from support import loopback
from support.authority import Authority
from support.child import Child
from support.jabberd2 import Jabberd2
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


class EjabberdServer(Child):
    """ejabberd with streams to other servers. starttls: as its option s2s_use_starttls."""

    def __init__(self, folder, host, name_server, files=None, ca=None, starttls="false", users=("juliet",)):
        folder.mkdir()
        self.host, self.domain = host, DOMAIN
        self.c2s_port, self.s2s_port = loopback.free_port(host, 5222), loopback.free_port(host, 5269)
        tls = ""
        if files:
            pem = folder / "own.pem"
            pem.write_text("".join(file.read_text() for file in files))
            tls = f'certfiles: ["{pem}"]\nca_file: "{ca}"\ns2s_cafile: "{ca}"\n'
        (folder / "ejabberd.yml").write_text(f"""
hosts: [{DOMAIN}]
loglevel: debug
auth_password_format: plain
s2s_use_starttls: {starttls}
{tls}listen:
  - {{port: {self.c2s_port}, ip: "{host}", module: ejabberd_c2s, starttls: false, access: all}}
  - {{port: {self.s2s_port}, ip: "{host}", module: ejabberd_s2s_in}}
modules: {{mod_roster: {{}}, mod_disco: {{}}, mod_ping: {{}}, mod_offline: {{}}, mod_s2s_dialback: {{}}}}
""")
        ip = name_server.partition(":")[0].replace(".", ",")
        (folder / "inetrc").write_text(f"{{resolv_conf, \"\"}}.\n{{hosts_file, \"\"}}.\n{{lookup, [dns]}}.\n{{nameserver, {{{ip}}}}}.\n")
        ebin = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin"))
        register = "".join(f'ejabberd_auth:try_register(<<"{user}">>, <<"{DOMAIN}">>, <<"pw">>), ' for user in users)
        super().__init__("ejabberd", [
            "erl", "-noinput", "-pa", ebin, "-kernel", "inetrc", f'"{folder}/inetrc"', "-mnesia", "dir", f'"{folder}/db"',
            "-ejabberd", "config", f'"{folder}/ejabberd.yml"', "log_path", f'"{folder}/server.log"',
            "-s", "ejabberd", "-eval", f'{register}file:write_file("{folder}/started", <<>>).'],
            folder, {"HOME": str(folder), "ERL_LIBS": str(ebin.parent.parent), "ERL_EPMD_PORT": "1",
                     "EJABBERD_CONFIG_PATH": f"{folder}/ejabberd.yml", "EJABBERD_LOG_PATH": f"{folder}/server.log",
                     "SPOOL_DIR": f"{folder}/db"})

    def start(self):
        super().start()
        self.wait_until(lambda: (self.folder / "started").exists() and loopback.accepts(self.host, self.c2s_port) and
                        loopback.accepts(self.host, self.s2s_port), "listening")
        return self


class Jabberd2Server(Jabberd2):
    """jabberd2 with its part for streams to other servers."""

    def __init__(self, folder, host, name_server, files=None, ca=None, users=("juliet",)):
        super().__init__(folder, host, DOMAIN, users=users)
        self.s2s_port = loopback.free_port(host, 5269)
        changes = [(r"<port>5269</port>", f"<port>{self.s2s_port}</port>")]
        if files:
            pem = folder / "own.pem"
            pem.write_text("".join(file.read_text() for file in files))
            changes += [(r"(</secret>\s*-->)", rf"\1<pemfile>{pem}</pemfile><cachain>{ca}</cachain>")]
        self._configure("s2s", *changes)
        self.s2s = Child("s2s", ["jabberd2-s2s", "-c", folder / "s2s.xml"], folder,
                         {"NAMESERVERS": name_server.partition(":")[0]})

    def start(self):
        super().start()
        self.s2s.start()
        self.s2s.wait_until(lambda: loopback.accepts(self.host, self.s2s_port), "listening")
        return self

    def stop(self):
        self.s2s.stop()
        super().stop()


class Federation:
    """make(folder, host, name_server, authority) makes the other server, not started. worker, tls: keys of the
    gateway's worker; services: {domain: (service, port)} instead of _xmpp-server."""

    _hosts = map(loopback.address, itertools.count(120))

    def __init__(self, make=None, worker=(), tls=(), records=None, with_certificate=True, services=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stox-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.users = []
        self.host, peer_host, dns_host = next(self._hosts), next(self._hosts), next(self._hosts)
        self.authority = Authority(self.folder / "authority")
        self.port = loopback.free_port(self.host, 5269)
        peer_port = loopback.free_port(peer_host, 5269)
        self.name_server = NameServer(self.folder / "dns", dns_host,
                                      records(self, peer_host) if records else
                                      {XMPP_DOMAIN: (self.host, self.port), DOMAIN: (peer_host, peer_port)},
                                      services, getattr(make, "asks_system", False)).start()
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
