"""What streams to other servers cost the worker: memory of an idle one, plain and with TLS, and CPU of a stanza.

    /usr/bin/python3 tests/bench/s2s_streams.py [STREAMS]     with STOX_BUILD=build/release"""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import loopback  # noqa: E402
from support.federation import Federation  # noqa: E402
from support.hand_made_server import HandMadeServer  # noqa: E402
from support.stox import XMPP_DOMAIN  # noqa: E402
from support.waiting import eventually  # noqa: E402

WINDOW = 100


def resident_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(site, user, addresses):
    for at in range(0, len(addresses), WINDOW):
        sent = [user.send("MESSAGE", site.sip_uri(address), "hello") for address in addresses[at:at + WINDOW]]
        failed = [s.answer(within=60).status for s in sent if s.answer(within=60).status != 200]
        assert not failed, failed


def measure(streams, with_tls):
    def records(site, _):
        files = site.authority.sign("*.peers.test") if with_tls else None
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
        each = (resident_kb(pid) - before) / streams
        count, cpu = 3000, cpu_s(pid)
        send(site, user, ["a@d1.peers.test"] * count)
        cpu = (cpu_s(pid) - cpu) / count
        site.stox.ctl("streams", "close", "d1.peers.test")
        start = time.monotonic()
        send(site, user, ["a@d1.peers.test"])
        print(f"{'TLS' if with_tls else 'plain'}: {streams} streams, {each:.1f} kB each; {cpu * 1e6:.0f} us of CPU a message "
              f"(stanza, ping, pong, bus), {WINDOW} in flight; a message that needs a new stream {1000 * (time.monotonic() - start):.0f} ms")
    finally:
        site.peer.close()
        site.stop()


for tls in False, True:
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, tls)
