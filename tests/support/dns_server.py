"""A DNS server that knows what a test tells it, and nothing else, of the domain "test"."""
import shutil

from support import loopback
from support.child import Child


class DnsServer(Child):
    def __init__(self, folder, host, addresses=(), services=(), pointers=()):
        """addresses: (name, address); services: (name, target, port, priority, weight);
        pointers: (name, order, preference, flags, service, replacement)."""
        folder.mkdir(exist_ok=True)
        self.port = loopback.free_port(host)
        self.host, self.address = host, f"{host}:{self.port}"
        lines = ["no-resolv", "no-hosts", "no-daemon", "bind-interfaces", "user=root", "local=/test/",
                 f"listen-address={host}", f"port={self.port}", f"pid-file={folder}/dnsmasq.pid"]
        lines += [f"host-record={name},{address}" for name, address in addresses]
        lines += ["srv-host=" + ",".join(map(str, service)) for service in services]
        for name, order, preference, flags, service, replacement in pointers:
            lines.append(f"naptr-record={name},{order},{preference},{flags},{service},,{replacement}")
        configuration = folder / "dnsmasq.conf"
        configuration.write_text("\n".join(lines) + "\n")
        program = shutil.which("dnsmasq") or "/usr/sbin/dnsmasq"
        super().__init__("dnsmasq", [program, f"--conf-file={configuration}"], folder)

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.port), "listening")
        return self
