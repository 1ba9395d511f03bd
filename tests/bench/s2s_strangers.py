"""What a stream of another server costs the worker before it has proved anything: bytes of memory for each, in the states
that take most.

    /usr/bin/python3 tests/bench/s2s_strangers.py     with STOX_BUILD=build/release"""
import pathlib
import socket
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import loopback  # noqa: E402
from support.federation import Federation  # noqa: E402
from support.hand_made_server import HEADER  # noqa: E402
from support.stox import XMPP_DOMAIN  # noqa: E402
from support.waiting import eventually  # noqa: E402

SOURCES, OF_EACH = 8, 50  # fewer than have to go for others
BEGIN = HEADER.format(own="evil.test", to=XMPP_DOMAIN, more="").encode()
VERIFY = f"<db:verify from='evil.test' to='{XMPP_DOMAIN}' id='1'>{'0' * 64}</db:verify>".encode()


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def says(data):
    def run(peer, _):
        peer.sendall(data)
        return peer
    return run


def with_tls(peer, context, half_a_record=False, half_a_handshake=False):
    peer.sendall(BEGIN + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    text = b""
    while b"<proceed" not in text:
        text += peer.recv(65536)
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            peer.sendall(goes.read())
            came.write(peer.recv(65536))
    if half_a_handshake:
        peer.sendall(goes.read()[:-500])
        return peer
    tls.write(BEGIN + b"<a>" + b"x" * 5_500)
    peer.sendall(goes.read())
    if half_a_record:
        tls.write(b"x" * 16_384)
        peer.sendall(goes.read()[:16_384])
    return peer


def with_half_a_record(peer, context):
    return with_tls(peer, context, True)


def with_half_a_handshake(peer, context):
    return with_tls(peer, context, half_a_handshake=True)


def client(site, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if names:
        context.load_cert_chain(*site.authority.sign(*names))
    return context


LONG = ["DNS:n", *(f"DNS:{'n' * 200}{i}" for i in range(60))]
STATES = [
    ("silent", says(b""), ()),
    ("a ClientHello that promises 16 kB and does not end", says(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + b"x" * 16_000), ()),
    ("an element of 5 kB that does not end", says(BEGIN + b"<a>" + b"x" * 5_500), ()),
    ("many elements of 5 kB that do not end", says(BEGIN + b"<a>" + b"<b/>" * 1_300), ()),
    ("120 answers of dialback that are not read", says(BEGIN + VERIFY * 120), ()),
    ("a handshake in the middle of a certificate of 60 long names", with_half_a_handshake, LONG),
    ("TLS and an element of 5 kB that does not end", with_tls, ()),
    ("the same and a record of TLS that does not end", with_half_a_record, ()),
    ("the same with a certificate of 100 names", with_half_a_record, [f"DNS:name-{i}.evil.test" for i in range(100)]),
    ("the same with a certificate of 450 names", with_half_a_record, [f"DNS:n{i}" for i in range(450)]),
    ("the same with a certificate of 60 long names", with_half_a_record, LONG),
]


def main():
    for what, run, names in STATES:
        site = Federation(tls={"require": False}).start()
        try:
            context, pid, kept = client(site, *names), site.stox.pid("component-1"), []
            for at in range(SOURCES * OF_EACH + 20):
                peer = socket.create_connection((site.host, site.port), 30, (loopback.address(50 + at % (SOURCES + 1)), 0))
                kept.append(run(peer, context))
                if at == 19:
                    eventually(lambda: len([s for s in site.streams() if s["direction"] == "in"]) >= 20, "they came")
                    before = pss(pid)
            eventually(lambda: len([s for s in site.streams() if s["direction"] == "in"]) >= SOURCES * OF_EACH, "all came")
            print(f"{(pss(pid) - before) / (SOURCES * OF_EACH) / 1000:6.1f} kB  {what}", flush=True)
        finally:
            site.stop()


main()
