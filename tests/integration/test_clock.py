"""The wall clock jumps, by hours and years, to and fro: messages go on to cross, and nothing ends early or hangs."""
import datetime
import os
import socket
import subprocess

import pytest

from support import loopback
from support.changing_dns import A, ChangingDns
from support.stox import PROGRAMS
from support.waiting import eventually
from support.wall_clock import HOUR, YEAR, WallClock

JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR, YEAR, -YEAR], ids=["hour", "hour back", "year", "year back"])
YEARS = pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["year", "year back"])
A_TEST_LASTS_MS = 20 * 60 * 1000


@pytest.fixture
def site(new_site):
    return new_site()


@pytest.fixture
def clock(site):
    return WallClock(site.stox)


def cross(site, juliet, romeo, text):
    assert romeo.message(site.sip_uri(juliet), text).status == 200
    assert juliet.next_message().body == text
    juliet.send(site.jid_at_host(romeo), text)
    assert romeo.next_request().text == text


def is_off_by(site, seconds, *names):
    """By what the processes wrote last into their logs: the last whole line, for one that crosses the end of a page
    may be read half."""
    for name in names:
        whole = site.stox.processes[name].log_file.read_text().rpartition("\n")[0]
        said = datetime.datetime.fromisoformat(whole.rpartition("\n")[2].partition("Z")[0])
        off = (said - datetime.datetime.utcnow()).total_seconds() - seconds
        assert abs(off) < HOUR / 2, f"{name}: {said}"


def ages(shown):
    """All that stoxctl tells of time gone by, in milliseconds."""
    if isinstance(shown, list):
        return [age for each in shown for age in ages(each)]
    if not isinstance(shown, dict):
        return []
    own = [v for k, v in shown.items() if k.endswith(("age_ms", "uptime_ms", "idle_ms")) and v is not None]
    return own + [age for each in shown.values() for age in ages(each)]


def ages_are_sane(site, *commands):
    shown = {command: ages(site.stox.ctl_json(command)) for command in ("status", *commands)}
    assert shown["status"]
    for command, those in shown.items():
        assert all(0 <= age < A_TEST_LASTS_MS for age in those), f"{command}: {shown}"


@JUMPS
def test_while_messages_cross(site, clock, jump):
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    cross(site, juliet, romeo, "before")
    count = 10
    for n, now in enumerate([jump, 0, -jump, 0]):
        romeo.automatic = None  # what is in flight stays so over the jump
        for i in range(count):
            juliet.send(site.jid_at_host(romeo), f"{n}.{i}")
        ringing = romeo.next_request()
        clock.off_by(now)
        ages_are_sane(site, "queues", "inflight", "sip", "streams")
        for i in range(count, 2 * count):
            juliet.send(site.jid_at_host(romeo), f"{n}.{i}")
        assert romeo.inbox.empty() and juliet.nothing_came()
        romeo.automatic = (200, "OK")
        ringing.respond(200, "OK")
        assert [ringing.text, *romeo.texts(2 * count - 1)] == [f"{n}.{i}" for i in range(2 * count)]
        cross(site, juliet, romeo, f"after {now}")
        is_off_by(site, now, "sip-1", "component-1")
    eventually(lambda: site.stox.in_flight("component-1") == 0, "all have ended")
    assert juliet.nothing_came() and romeo.inbox.empty()
    ages_are_sane(site)


@JUMPS
def test_over_restarts(site, clock, jump):
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    for name in "component-1", "mapper-1", "sip-1":
        for now in jump, 0:
            held = name == "component-1"  # a message, in its journal
            if held:
                romeo.automatic = None
                juliet.send(site.jid_at_host(romeo), f"over {now}")
                ringing = romeo.next_request()
            site.stox.kill(name)
            clock.off_by(now)
            site.stox.start(name)
            site.stox.ready()
            ages_are_sane(site, "queues", "inflight")
            if held:
                assert romeo.inbox.empty() and juliet.nothing_came()
                romeo.automatic = (200, "OK")
                ringing.respond(200, "OK")
                eventually(lambda: site.stox.in_flight("component-1") == 0, "it has ended")
                assert romeo.inbox.empty() and juliet.nothing_came()
            is_off_by(site, now, name)
            cross(site, juliet, romeo, f"after {name} with {now}")
            eventually(lambda: site.stox.in_flight("component-1") == 0, "all have ended")
    assert site.stox.status()["component-1"]["journal"]["held"] == 0


@YEARS
def test_a_name_has_another_address(new_site, jump):
    dns = ChangingDns(loopback.address(251))
    site = new_site(dns={"servers": [dns.address]})
    clock = WallClock(site.stox)
    site.start()
    juliet, before, after = site.xmpp_user("juliet"), site.sip_user("romeo"), site.sip_user("romeo")
    assert after.port == before.port
    dns.records[("phones.test", A)] = [before.host]

    def call():
        juliet.send(f"romeo*phones.test\\3a{before.port}@xmpp-sip.test", "where are you?")
        eventually(lambda: not (before.inbox.empty() and after.inbox.empty()), "it arrives")
        return after if before.inbox.empty() else before

    assert call() is before
    before.next_request()
    clock.off_by(jump)
    dns.records[("phones.test", A)] = [after.host]

    def moved():
        reached = call()
        reached.next_request()
        return reached is after

    eventually(moved, "the second in which the record lives is over")
    dns.close()


@YEARS
def test_a_tls_failure_keeps_its_age(new_site, jump):
    site = new_site(with_tls=True)
    clock = WallClock(site.stox)
    site.start()
    with socket.create_connection(site.stox.tls_address) as stranger:
        stranger.sendall(b"no TLS at all\r\n\r\n")
        failures = lambda: [peer for peer in site.stox.status()["sip-1"]["peers"] if peer["kind"] == "tls_failure"]
        eventually(failures, "it is shown")
    clock.off_by(jump)
    assert failures()
    ages_are_sane(site)


def test_the_certificate_expires(new_site):
    site = new_site(with_tls=True)
    clock = WallClock(site.stox)
    site.start()
    assert site.stox.ctl("status").returncode == 0
    clock.off_by(YEAR)
    why = f'its certificate "CN = {site.stox.host}" has expired: TLS peers refuse us'
    eventually(lambda: why in site.stox.ctl("status").stdout, "status says it")
    assert site.stox.state("sip-1") == "ready"
    clock.off_by(0)
    eventually(lambda: site.stox.ctl("status").returncode == 0, "all is well again")


@YEARS
def test_a_tap_goes_on(site, clock, jump):
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    out = site.folder / "tap.out"
    with open(out, "wb") as file:
        tap = subprocess.Popen([PROGRAMS / "stoxctl", "-f", site.stox.file, "tap", "--for", "300"], stdout=file,
                               env={**os.environ, **site.stox.environment})
    try:
        for now in 0, jump, 0, -jump:
            clock.off_by(now)
            before = out.stat().st_size

            def seen():
                assert romeo.message(site.sip_uri(juliet), "look").status == 200
                return out.stat().st_size > before

            eventually(seen, f"the tap shows it, with the clock off by {now}")
            assert tap.poll() is None
    finally:
        tap.kill()
        tap.wait()
