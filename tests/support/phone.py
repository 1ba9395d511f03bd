"""Real user agents, behind the proxy or by themselves: baresip and linphonec, told what to do on their standard input."""
import re
import subprocess

from support import loopback
from support.child import Child
from support.stox import PROGRAMS
from support.waiting import eventually


class _Phone(Child):
    """Registered at a support.kamailio.Kamailio as `name`, or not; prints what it receives into its log."""

    up = ""  # what stands in `diary` once it is ready

    def __init__(self, name, command, folder, environment=None):
        super().__init__(name, command, folder, environment, stdin=subprocess.PIPE)
        self.diary = self.log_file

    def start(self):
        super().start()
        self.wait_until(lambda: self.diary.exists() and self.up in self.diary.read_text(errors="replace"), "up")
        return self

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def shown(self):
        """What it has printed, without colours."""
        return re.sub("\x1b\\[[0-9;]*m", "", self.log(1000))

    def shows(self, text, times=1):
        eventually(lambda: self.shown().count(text) >= times, f"{self.name} shows {text!r}")


class Baresip(_Phone):
    def __init__(self, folder, host, proxy, name, contact, transport="udp", authority=None, domain=None, watches=False,
                 publishes=False):
        """contact: the SIP URI that say() writes to. domain: of its address, if it does not register; then `proxy` is
        who gets all its requests, say a support.stox.Stox. watches: the contact's presence; publishes: its own. It
        always answers who asks it."""
        folder.mkdir()
        self.up = "baresip is ready" if domain else "200 OK"
        # It listens with TLS at the next port.
        self.host, self.port = host, loopback.free_port(host, 5060)
        self.tls_port = self.port + 1
        account = "regint=0" if domain else f"auth_user={name};auth_pass={proxy.password};regint=600"
        account += ";pubint=300" if publishes else ""
        domain = domain or proxy.domain
        port = proxy.tls_port if transport == "tls" else proxy.port
        modules = ["module_tmp uuid.so", "module stdio.so", "module_app account.so", "module_app contact.so",
                   "module_app menu.so", "module_app presence.so"]
        settings = ["module_path /usr/lib/baresip/modules", f"sip_listen {host}:{self.port}"]
        if transport == "tls":
            both = folder / "certificate.pem"
            both.write_text("".join(file.read_text() for file in authority.sign(f"IP:{host}")))
            settings += [f"sip_cafile {authority.ca}", f"sip_certificate {both}"]
        (folder / "config").write_text("\n".join(settings + modules) + "\n")
        (folder / "accounts").write_text(
            f'<sip:{name}@{domain};transport={transport}>;{account};'
            f'outbound="sip:{proxy.host}:{port};transport={transport}"\n')
        (folder / "contacts").write_text(f'"contact" <{contact}>{";presence=p2p" if watches else ""}\n')
        super().__init__(f"baresip-{transport}", ["baresip", "-4", "-f", folder], folder)

    def say(self, text):
        self.type("/message " + text)

    def is_available(self, yes):
        self.type("/presence_online" if yes else "/presence_offline")


def linphonerc(folder, host, proxy, name, contact="", transport="udp", authority=None, watches=False, publishes=False, upload_url=""):
    """Makes the folder, as a home, with the configuration of Linphone's programs in it: its path. upload_url: where its files
    go, an HTTP server that speaks as Linphone's does."""
    folder.mkdir()
    for data in ".local/share/linphone", ".config/linphone":
        (folder / data).mkdir(parents=True)
    port = proxy.tls_port if transport == "tls" else proxy.port
    ports = {key: 0 for key in ("udp", "tcp", "tls")} | {transport: loopback.free_port(host)}
    route = f"<sip:{proxy.host}:{port};transport={transport};lr>"
    (folder / "linphonerc").write_text(f"""[sip]
sip_port={ports["udp"]}
sip_tcp_port={ports["tcp"]}
sip_tls_port={ports["tls"]}
bind_address={host}
use_ipv6=0
default_proxy=0
guess_hostname=0
contact=sip:{name}@{host}
root_ca={authority.ca if authority else ""}
verify_server_cn=0
[auth_info_0]
username={name}
passwd={proxy.password}
realm={proxy.domain}
domain={proxy.domain}
[proxy_0]
reg_proxy={route}
reg_route={route}
reg_identity=sip:{name}@{proxy.domain}
reg_expires=600
reg_sendregister=1
publish={int(publishes)}
""" + (f"""[misc]
file_transfer_server_url={upload_url}
""" if upload_url else "") + (f"""[friend_0]
url="Contact" <{contact}>
pol=accept
subscribe=1
""" if watches else ""))
    return folder / "linphonerc"


class Linphone(_Phone):
    up = "to [LinphoneRegistrationOk]"

    def __init__(self, folder, host, proxy, name, contact, transport="udp", authority=None, watches=False,
                 publishes=False):
        """watches: the contact's presence; publishes: its own."""
        self.contact = contact
        configuration = linphonerc(folder, host, proxy, name, contact, transport, authority, watches, publishes)
        super().__init__(f"linphone-{transport}", ["linphonec", "-d", 6, "-l", folder / "diary", "-c", configuration], folder,
                         {"HOME": str(folder), "LANG": "C.UTF-8"})
        self.diary = folder / "diary"

    def say(self, text):
        self.type(f"chat {self.contact} {text}")


class LinphoneUser(_Phone):
    """A user agent on liblinphone with chat rooms; see linphone_user.cpp for what it prints."""

    up = "registered"

    def __init__(self, folder, host, proxy, name, contact, upload_url="", cpim=False):
        """cpim: it sends CPIM, and asks what becomes of its messages."""
        self.folder, self.contact = folder, contact
        configuration = linphonerc(folder, host, proxy, name, upload_url=upload_url)
        super().__init__("linphone-user", [PROGRAMS / "stox-linphone-user", configuration, folder, *(["cpim"] if cpim else [])], folder,
                         {"HOME": str(folder), "LANG": "C.UTF-8"})

    def say(self, text):
        self.type(f"say {self.contact} {text}")

    def reply(self, text):
        self.type(f"reply {self.contact} {text}")

    def send_file(self, path):
        self.type(f"file {self.contact} {path}")

    def types(self):
        self.type(f"type {self.contact}")

    def reads(self):
        """As with a look into the room: what came is displayed."""
        self.type(f"read {self.contact}")

    def rooms(self):
        before = self.shown().count("rooms:")
        self.type("rooms")
        eventually(lambda: self.shown().count("rooms:") > before, "it lists its rooms")
        return self.shown().rpartition("rooms:")[2].split("\n")[0].split()


class Sofia(_Phone):
    """A user agent on the sofia-sip stack, unregistered; all its requests go to `server`, say a support.stox.Stox."""

    up = "ready"

    def __init__(self, folder, host, server, name, contact, transport="udp"):
        folder.mkdir()
        self.host, self.port, self.contact = host, loopback.free_port(host, 5060), contact
        super().__init__(f"sofia-{transport}", [
            PROGRAMS / "stox-sofia-user", host, self.port, f"sip:{name}@sip.test",
            f"sip:{server.host}:{server.port};transport={transport}"], folder)

    def say(self, text):
        self.type(f"{self.contact} {text}")

    def tells(self, state, basic=""):
        """Notifies its last watcher: a Subscription-State, and open or closed."""
        self.type(f"= {state} {basic}".rstrip())
