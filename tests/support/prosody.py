"""A real Prosody with one host of users."""
import subprocess

from support import loopback
from support.child import Child
from support.template import fill


class ProsodyServer(Child):
    """configuration(c2s_port): its text; reached: (address, port) where it listens, too."""

    # COMPAT(Prosody 0.12): the handler of SIGTERM may run in the midst of a client's disconnection and fail there, and
    # then it waits for ever.
    may_hang = True

    def __init__(self, folder, host, domain, users, configuration, reached):
        folder.mkdir()
        (folder / "data").mkdir()
        self.host, self.domain = host, domain
        self.c2s_port = loopback.free_port(host, 5222)
        self.listens = [(host, self.c2s_port), reached]
        config = folder / "prosody.cfg.lua"
        config.write_text(configuration(self.c2s_port))
        super().__init__("prosody", ["prosody", "--config", config, "-F"], folder)
        for user in users:
            subprocess.run(["prosodyctl", "--config", config, "register", user, domain, "pw"], cwd=folder, check=True,
                           capture_output=True, stdin=subprocess.DEVNULL)

    def start(self):
        super().start()
        self.wait_until(lambda: all(loopback.accepts(*each) for each in self.listens), "listening")
        return self


class Prosody(ProsodyServer):
    """For the gateway, it has one component."""

    def __init__(self, folder, host, domain="xmpp.test", component="xmpp-sip.test", secret="secret", users=(), rooms=(), archives=()):
        """rooms: domains of components with rooms (XEP-0045), which only users of the host make; archives: those of them
        that keep what is said (XEP-0313)."""
        self.component, self.secret = component, secret
        self.component_port = loopback.free_port(host, 5347)
        with_rooms = "".join(f'Component "{each}" "muc"\n  restrict_room_creation = "local"\n' +
                             ('  modules_enabled = { "muc_mam" }\n' if each in archives else "") for each in rooms)
        super().__init__(folder, host, domain, users, lambda c2s_port: fill(
            "prosody.cfg.lua.in", DIRECTORY=folder, ADDRESS=host, C2S_PORT=c2s_port, COMPONENT_PORT=self.component_port,
            XMPP_DOMAIN=domain, COMPONENT=component, SECRET=secret) + with_rooms, (host, self.component_port))
