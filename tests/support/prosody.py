"""A real Prosody with one host of users and, for the gateway, one component."""
import subprocess

from support import loopback
from support.child import Child
from support.template import fill


class Prosody(Child):
    def __init__(self, folder, host, domain="xmpp.test", component="xmpp-sip.test", secret="secret", users=()):
        folder.mkdir()
        self.host, self.domain, self.component, self.secret = host, domain, component, secret
        self.c2s_port = loopback.free_port(host, 5222)
        self.component_port = loopback.free_port(host, 5347)
        self.config = folder / "prosody.cfg.lua"
        super().__init__("prosody", ["prosody", "--config", self.config, "-F"], folder)
        (folder / "data").mkdir()
        self.config.write_text(fill("prosody.cfg.lua.in", DIRECTORY=folder, ADDRESS=host, C2S_PORT=self.c2s_port,
                                    COMPONENT_PORT=self.component_port, XMPP_DOMAIN=domain, COMPONENT=component,
                                    SECRET=secret))
        for user in users:
            self.register(user)

    def register(self, user, password="pw"):
        subprocess.run(["prosodyctl", "--config", self.config, "register", user, self.domain, password],
                       cwd=self.folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.c2s_port) and
                        loopback.accepts(self.host, self.component_port), "listening")
        return self
