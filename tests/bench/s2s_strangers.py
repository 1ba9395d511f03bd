"""What a stream of another server costs the worker before it has proved anything: bytes of memory for each, in the states
that take most.

    /usr/bin/python3 tests/bench/s2s_strangers.py [WORD ...]     with STOX_BUILD=build/release; states that hold a word"""
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


def with_tls(then=b"", half_a_record=0, missing=0):
    """missing: so many bytes of the end of its handshake."""
    def run(peer, context):
        peer.sendall(BEGIN + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        text = b""
        while b"<proceed" not in text:
            text += peer.recv(65536)
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(came, goes)

        def goes_on():
            try:
                tls.do_handshake()
                return True
            except ssl.SSLWantReadError:
                return False
        goes_on()
        peer.sendall(goes.read())
        flight, done = b"", False
        while not flight:
            came.write(peer.recv(65536))
            done = goes_on()
            flight = goes.read()
        peer.sendall(flight[:len(flight) - missing])
        if missing:
            return peer
        while not done:
            came.write(peer.recv(65536))
            done = goes_on()
        tls.write(BEGIN + then)
        peer.sendall(goes.read())
        if half_a_record:
            tls.write(b"x" * half_a_record)
            peer.sendall(goes.read()[:half_a_record])
        return peer
    return run


def client(site, *names, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    if names:
        context.load_cert_chain(*site.authority.sign(*names))
    context.set_alpn_protocols(["x" * 200] * 4)  # nearly as much as it may say
    return context


TLS12 = ssl.TLSVersion.TLSv1_2
NAMES_100, NAMES_450 = [f"DNS:name-{i}.evil.test" for i in range(100)], [f"DNS:n{i}" for i in range(450)]
LONG = ["DNS:n", *(f"DNS:{'n' * 200}{i}" for i in range(36))]
LONGER = ["DNS:n", *(f"DNS:{'n' * 200}{i}" for i in range(46))]
SHORT_ELEMENT = b"<a>" + b"x" * 2_900
ANSWERS = VERIFY * 55
STATES = [
    ("silent", says(b""), (), {}),
    ("a ClientHello of 3.5 kB that does not end", says(b"\x16\x03\x01\x0e\x00\x01\x00\x0d\xfc" + b"x" * 3_500), (), {}),
    ("an element of 3 kB that does not end", says(BEGIN + SHORT_ELEMENT), (), {}),
    ("many elements in 3 kB that do not end", says(BEGIN + b"<a>" + b"<b/>" * 700), (), {}),
    ("55 answers of dialback that are not read", says(BEGIN + ANSWERS), (), {}),
    ("a handshake in the middle of a certificate of 46 long names", with_tls(missing=500), LONGER, {}),
    ("a handshake behind one of 36 long names", with_tls(missing=150), LONG, {}),
    ("a handshake behind one of 450 names", with_tls(missing=150), NAMES_450, {}),
    ("a handshake of TLS 1.2 behind the one of 36 long names", with_tls(missing=10), LONG, {"version": TLS12}),
    ("TLS and an element of 3 kB that does not end", with_tls(SHORT_ELEMENT), (), {}),
    ("the same and a record of 6 kB that does not end", with_tls(SHORT_ELEMENT, 6_000), (), {}),
    ("the same with a certificate of 100 names", with_tls(SHORT_ELEMENT, 6_000), NAMES_100, {}),
    ("the same with a certificate of 450 names", with_tls(SHORT_ELEMENT, 6_000), NAMES_450, {}),
    ("the same with a certificate of 36 long names", with_tls(SHORT_ELEMENT, 6_000), LONG, {}),
    ("the same and 55 answers of dialback that are not read", with_tls(ANSWERS + SHORT_ELEMENT, 6_000), LONG, {}),
]


def main():
    for what, run, names, options in STATES:
        if not any(word in what for word in sys.argv[1:] or [""]):
            continue
        site = Federation(tls={"require": False}).start()
        try:
            context, pid, kept = client(site, *names, **options), site.stox.pid("component-1"), []
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
