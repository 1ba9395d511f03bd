"""A whole site: Prosody, the gateway, and users on both sides."""
import itertools
import pathlib
import shutil
import tempfile

from support import loopback
from support.certificates import Authority
from support.kamailio import Kamailio
from support.prosody import Prosody
from support.sip_user import SipUser
from support.stox import GATEWAY_DOMAIN, XMPP_DOMAIN, Stox
from support.xmpp_user import XmppUser

SEPARATOR = "*"


class Site:
    """Hosts and folder of its own. Users are made by name and leave together."""

    _hosts = map(loopback.address, itertools.count(1))

    def __init__(self, xmpp_server=None, with_proxy=False, xmpp_users=("juliet", "nurse"), server=Prosody,
                 xmpp_server_at=None, proxy=(), with_tls=False, proxy_transport="udp", **stox):
        """server: the class of the XMPP server to start, xmpp_server_at: on this address; xmpp_server: one that
        somebody else runs. with_proxy: a Kamailio between SIP users and the gateway; proxy: what it is told besides.
        with_tls: proxy and gateway listen with TLS, too. proxy_transport: by which the gateway reaches the proxy."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stox-", dir="/tmp"))
        self.users = []
        front = next(Site._hosts)
        self.starts_server = xmpp_server is None
        self.xmpp_server = xmpp_server or server(self.folder / "xmpp", xmpp_server_at or next(Site._hosts),
                                                 component=XMPP_DOMAIN, users=xmpp_users)
        proxy_host = next(Site._hosts) if with_proxy else None
        if with_proxy:
            port = loopback.free_port(proxy_host, 5061 if proxy_transport == "tls" else 5060)
            gateway = {"outbound_proxy": f"sip:{proxy_host}:{port};transport={proxy_transport}"}
            stox["gateway"] = {**gateway, **stox.get("gateway", {})}
        self.authority = Authority(self.folder / "certificates") if with_tls else None
        self.stox = Stox(self.folder / "stox", front, self.xmpp_server, authority=self.authority, **stox)
        self.kamailio = None
        if with_proxy:
            if with_tls:
                proxy = {"authority": self.authority, "front_tls": f"{front}:{self.stox.tls_port}", **dict(proxy)}
            self.kamailio = Kamailio(self.folder / "kamailio", proxy_host, f"{front}:{self.stox.port}", **dict(proxy))

    def start(self):
        if self.starts_server:
            self.xmpp_server.start()
        if self.kamailio:
            self.kamailio.start()
        self.stox.start()
        self.stox.ready()
        return self

    def sip_user(self, name, transport="udp", registered=False):
        """Speaks to the gateway itself, or, registered, to the proxy."""
        host = next(Site._hosts)
        server = self.kamailio if registered else self.stox
        tls = transport == "tls"
        user = SipUser(host, f"sip:{name}@sip.test", server.tls_address if tls else server.address, transport, "pw",
                       self.authority if tls else None)
        self.users.append(user)
        return user.register() if registered else user

    def xmpp_user(self, name, resource="balcony"):
        user = XmppUser(self.xmpp_server, name, resource=resource)
        self.users.append(user)
        return user

    def sip_uri(self, xmpp_user):
        """How SIP users write an XMPP user (or a bare JID)."""
        return f"sip:{getattr(xmpp_user, 'bare', xmpp_user).replace('@', SEPARATOR)}@{GATEWAY_DOMAIN}"

    def jid(self, sip_user):
        """How XMPP users write a SIP user (or a SIP URI), by the domain in its address."""
        uri = getattr(sip_user, "uri", sip_user)
        return f"{uri.partition(':')[2].replace('@', SEPARATOR)}@{XMPP_DOMAIN}"

    def jid_at_host(self, sip_user):
        """How XMPP users write a SIP user by the host and port where it listens."""
        name = sip_user.uri.partition(":")[2].partition("@")[0]
        return f"{name}{SEPARATOR}{sip_user.host}\\3a{sip_user.port}@{XMPP_DOMAIN}"

    def users_leave(self):
        for user in self.users:
            user.close()
        self.users.clear()

    def stop(self):
        self.users_leave()
        self.stox.stop()
        if self.kamailio:
            self.kamailio.stop()
        if self.starts_server:
            self.xmpp_server.stop()
        shutil.rmtree(self.folder)
