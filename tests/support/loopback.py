"""Loopback addresses and ports for one run of tests. Each run has a network 127.A.B.0/24 of its own, so that
runs beside each other never meet on a port."""
import errno
import random
import socket

_lock = None  # bound while this process lives: holds the network


def _network():
    global _lock
    while _lock is None:
        candidate = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}."
        lock = socket.socket()
        try:
            lock.bind((candidate + "254", 1025))
            _lock = (lock, candidate)
        except OSError:
            lock.close()
    return _lock[1]


def address(number):
    """The address with this last number, 1 to 253."""
    return _network() + str(number)


def _family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _is_free(host, port):
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        with socket.socket(_family(host), kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as failure:
                if failure.errno != errno.EADDRNOTAVAIL:  # an address in another network namespace is all ours
                    return False
    return True


def free_port(host, usual=0):
    """The usual port if it is free on this address, else any, for TCP and UDP."""
    if usual and _is_free(host, usual):
        return usual
    while True:
        port = random.randint(20000, 32000)
        if _is_free(host, port):
            return port


def takes_datagrams(host, port):
    """Whether a socket is bound there, or to all addresses. Nothing is sent to it."""
    bound = {f"{socket.inet_aton(address)[::-1].hex().upper()}:{port:04X}" for address in (host, "0.0.0.0")}
    with open("/proc/net/udp") as table:
        return any(line.split()[1] in bound for line in table)


def accepts(host, port):
    """Whether a TCP connection can be made."""
    with socket.socket(_family(host)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
