"""A real Kamailio: registrar of one SIP domain, and the proxy between its users and the gateway."""
import shutil

from support import loopback
from support.child import Child
from support.template import fill


class Kamailio(Child):
    def __init__(self, folder, host, front, domain="sip.test", gateway_domain="sip-xmpp.test", password="pw"):
        """front: "HOST:PORT" of the gateway's SIP front."""
        folder.mkdir()
        self.host, self.domain, self.password = host, domain, password
        self.port = loopback.free_port(host, 5060)
        self.address = (host, self.port)
        config = folder / "kamailio.cfg"
        config.write_text(fill("kamailio.cfg.in", ADDRESS=host, PORT=self.port, SIP_DOMAIN=domain,
                               GATEWAY_DOMAIN=gateway_domain, FRONT=front, PASSWORD=password))
        program = shutil.which("kamailio") or "/usr/sbin/kamailio"
        super().__init__("kamailio", [program, "-DD", "-E", "-f", config, "-Y", folder, "-P", folder / "pid",
                                      "-m", 32, "-M", 4], folder)

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.port), "listening")
        return self
