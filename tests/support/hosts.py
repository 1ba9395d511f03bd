"""Hosts made of network namespaces: each has an address of its own on one bridge, which the test process is on,
too. Nothing of it is seen outside, and all of it goes with the test process."""
import ctypes
import itertools
import os
import subprocess

from support import background
from support.child import Child
from support.waiting import eventually

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words, inside=None):
    command = ["ip", *map(str, words)]
    if inside is not None:
        command = ["nsenter", "-t", str(inside), "-n", *command]
    subprocess.run(command, check=True, capture_output=True, text=True)


class Network:
    """Moves the calling thread, and those it starts from now on, into a network of its own with this bridge: one
    for a whole run, because the thread of the users stays where it began."""

    def __init__(self, folder, here):
        self.folder, self._numbers = folder, itertools.count(1)
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if _libc.unshare(CLONE_NEWNET) != 0:
            os.close(self.before)
            raise PermissionError(ctypes.get_errno(), "no network namespaces here")
        background.begin_anew()
        ip("link", "set", "lo", "up")
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")
        self.here, self.here6 = here, f"fd77::{here.rpartition('.')[2]}"
        ip("address", "add", f"{here}/24", "dev", "bridge")
        ip("address", "add", f"{self.here6}/64", "dev", "bridge", "nodad")

    def host(self, name):
        """A new one, at an address that no other had."""
        number = next(self._numbers)
        return Host(self, f"{name}{number}", f"10.77.0.{number}", f"fd77::{number}")

    def close(self):
        background.begin_anew()
        _libc.setns(self.before, CLONE_NEWNET)
        os.close(self.before)


class Host:
    def __init__(self, network, name, address, address6=None):
        self.name, self.address, self.address6, self.resolv_conf = name, address, address6, None
        self.holder = Child(f"host-{name}", ["unshare", "--net", "sleep", "infinity"], network.folder).start()
        own = os.readlink("/proc/thread-self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, f"host {name} is there")
        pid = self.holder.pid
        ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", pid)
        ip("link", "set", f"to-{name}", "master", "bridge", "up")
        ip("link", "set", "lo", "up", inside=pid)
        ip("link", "set", "eth0", "up", inside=pid)
        ip("address", "add", f"{address}/24", "dev", "eth0", inside=pid)
        if address6:
            ip("address", "add", f"{address6}/64", "dev", "eth0", "nodad", inside=pid)

    def asks(self, name_server):
        """What runs here from now on asks the server at this address for names."""
        self.resolv_conf = self.holder.folder / f"{self.name}.resolv.conf"
        self.resolv_conf.write_text(f"nameserver {name_server}\n")

    def command(self, *words):
        """What runs these words on this host."""
        if self.resolv_conf:
            words = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', self.resolv_conf, *words]
        return ["nsenter", "-t", self.holder.pid, "-n", *words]

    def enclose(self, *children):
        """What these start runs on this host."""
        for child in children:
            child.command = [str(word) for word in self.command(*child.command)]

    def unplug(self):
        ip("link", "set", f"to-{self.name}", "down")

    def plug(self):
        ip("link", "set", f"to-{self.name}", "up")

    def close(self):
        self.holder.kill()
