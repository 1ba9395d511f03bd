"""What streams to other servers cost the worker: memory of an idle one, plain and with TLS, and CPU of a stanza.

    /usr/bin/python3 tests/bench/s2s_streams.py [STREAMS]     with STOX_BUILD=build/release"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import loopback  # noqa: E402
from support.federation import Federation  # noqa: E402
from support.hand_made_server import HandMadeServer  # noqa: E402
from support.stox import XMPP_DOMAIN  # noqa: E402
from support.waiting import eventually  # noqa: E402

WINDOW, COUNT = 100, 10_000
RESTS_MS = 10_500  # 5 s without a byte, and looked at every 5 s


def resident_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def cpu_us(pid):
    """Of all its threads, not in ticks."""
    return sum(int(file.read_text().split()[0]) for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1000


def send(site, user, addresses):
    for at in range(0, len(addresses), WINDOW):
        sent = [user.send("MESSAGE", site.sip_uri(address), "hello") for address in addresses[at:at + WINDOW]]
        failed = [s.answer(within=60).status for s in sent if s.answer(within=60).status != 200]
        assert not failed, failed


def measure(streams, with_tls):
    def records(site, _):
        files = site.authority.sign("DNS:*.peers.test") if with_tls else None
        host = loopback.address(101)
        site.peer = HandMadeServer(host, "peers.test", (site.host, site.port, XMPP_DOMAIN), files)
        return {XMPP_DOMAIN: (site.host, site.port),
                **{f"d{i}.peers.test": (host, site.peer.port) for i in range(streams + 1)}}

    site = Federation(records=records, tls={} if with_tls else {"require": False}, with_certificate=with_tls,
                      worker={"max_in_flight": 20_000}).start()
    try:
        user, pid = site.sip_user("romeo"), site.stox.pid("component-1")
        send(site, user, ["a@d0.peers.test"] * 200)  # what is there once
        before = resident_kb(pid)
        send(site, user, [f"a@d{i}.peers.test" for i in range(1, streams + 1)])
        eventually(lambda: sum(s["state"] == "up" for s in site.streams()) >= streams, "all are up")
        rested = set()
        eventually(lambda: rested.update(s["domain"] for s in site.streams() if s.get("idle_ms", 0) > RESTS_MS)
                   or len(rested) >= streams, "each has been idle for so long that it rests", 60)
        each = (resident_kb(pid) - before) / streams
        site.stox.ctl("streams", "close", "d1.peers.test")
        start = time.monotonic()
        send(site, user, ["a@d1.peers.test"])
        again = time.monotonic() - start
        begun = cpu_us(pid)
        send(site, user, ["a@d1.peers.test"] * COUNT)
        out = (cpu_us(pid) - begun) / COUNT
        begun, came_before = cpu_us(pid), user.inbox.qsize()
        for at in range(0, COUNT, WINDOW):
            site.peer.latest.sendall("".join(
                f"<message from='a@d1.peers.test' to='{i}{site.jid_at_host(user)}' id='m{at + i}' type='chat'><body>hello</body></message>"
                for i in range(WINDOW)).encode())
            eventually(lambda: user.inbox.qsize() >= came_before + at + WINDOW, "they arrived", 60)
        came = (cpu_us(pid) - begun) / COUNT
        print(f"{'TLS' if with_tls else 'plain'}: {streams} streams, {each:.1f} kB each; CPU of a message out (with its share of ping "
              f"and pong) {out:.1f} us, in {came:.1f} us, {WINDOW} in flight; a message that needs a new stream {1000 * again:.0f} ms", flush=True)
    finally:
        site.peer.close()
        site.stop()


for tls in False, True:
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, tls)
