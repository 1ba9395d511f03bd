"""stoxctl tap: messages as they pass all processes, and what is refused, live."""
import json
import re
import subprocess

import pytest

from support.stox import PROGRAMS
from support.waiting import eventually


class Tap:
    """A running stoxctl tap; its events as they come."""

    def __init__(self, site, *options):
        self.out = site.folder / "tap.out"
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([PROGRAMS / "stoxctl", "-f", site.stox.file, "tap", "--json", *options],
                                            stdout=out, stderr=subprocess.DEVNULL)

    def events(self):
        return [json.loads(line) for line in self.out.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def when(self, again, condition, what):
        """Does again() until the events fulfil the condition: nobody says from when on a tap sees."""
        def tried():
            again()
            return condition(self.events())
        return eventually(tried, what)

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def tap(site):
    taps = []

    def make(*options):
        taps.append(Tap(site, *options))
        return taps[-1]

    yield make
    for made in taps:
        made.stop()


def test_a_message_is_seen_in_all_processes(site, tap):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    it = tap("--for", "120")

    def say():
        assert romeo.message(site.sip_uri(juliet), "hush").status == 200

    def whole(events):  # the tap may have come in the middle of others
        traces = {}
        for event in events:
            traces.setdefault(event["trace"], []).append(event)
        return next((t for t in traces.values() if t[-1]["outcome"] and t[-1]["process"] == "sip-1"
                     and [e["process"] for e in t][:3] == ["sip-1", "mapper-1", "component-1"]), None)

    it.when(say, whole, "a message in all three processes, one after the other")
    way = whole(it.events())
    assert way[0]["from"] == "sip:romeo@sip.test" and way[2]["to"] == juliet.bare
    assert way[-1]["outcome"].startswith("200")
    assert not any("hush" in json.dumps(event) for event in it.events())


def test_bodies_only_when_asked_and_only_of_whom_is_asked_for(site, tap):
    romeo, mercutio, juliet = site.sip_user("romeo"), site.sip_user("mercutio"), site.xmpp_user("juliet")
    it = tap("--for", "120", "--bodies", "--from", "romeo@", "--to", "juliet")

    def say():
        mercutio.message(site.sip_uri(juliet), "a plague")
        romeo.message(site.sip_uri(juliet), "by yonder moon")
        juliet.send(site.jid_at_host(romeo), "swear not")

    it.when(say, lambda events: {e["process"] for e in events if e.get("body") == "by yonder moon"}
            >= {"sip-1", "component-1"}, "the body in front and worker")
    assert not any(e.get("body") in ("a plague", "swear not") for e in it.events())


def test_it_ends_by_itself(site, tap):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    it = tap("--for", "120", "--count", "2")
    it.when(lambda: romeo.message(site.sip_uri(juliet), "x"), lambda _: it.process.poll() is not None, "its end")
    assert it.process.returncode == 0
    assert len({event["trace"] for event in it.events()}) >= 2

    short = site.stox.ctl("tap", "--for", 1)
    assert (short.returncode, short.stdout) == (0, "")


def test_people_read_lines(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    out = site.folder / "tap.txt"
    with open(out, "wb") as file:
        it = subprocess.Popen([PROGRAMS / "stoxctl", "-f", site.stox.file, "tap", "--count", "1", "--bodies"],
                              stdout=file)
    eventually(lambda: romeo.message(site.sip_uri(juliet), "a\x1b[31mb") and it.poll() is not None, "its end")
    # The tap may have come in the middle of a message.
    assert re.search(r"sip:romeo@sip\.test -> sip:juliet|romeo\*sip\.test@xmpp-sip\.test -> juliet@", out.read_text())
    assert "\x1b" not in out.read_text()


def test_a_refused_packet_can_be_seen(site, tap):
    mallory = site.sip_user("mallory")
    it = tap("--for", "120", "--refused")

    def offend():
        assert mallory.request("DANCE", "sip:nobody@sip-xmpp.test").status == 501
        mallory.send_bytes(b"MESSAGE nonsense\r\nX-Evil: yes\r\n\r\n")

    def both(events):
        return (next((e for e in events if e["outcome"].startswith("method, 501")), None),
                next((e for e in events if "X-Evil: yes" in e.get("body", "")), None))

    it.when(offend, lambda events: all(both(events)), "both refused packets")
    dance, nonsense = both(it.events())
    assert (dance["kind"], dance["process"], dance["from"]) == ("refused", "sip-1", "sip:mallory@sip.test")
    assert mallory.host in dance["decision"] and "DANCE sip:nobody@sip-xmpp.test SIP/2.0" in dance["body"]
    assert "malformed" in nonsense["outcome"] and "not answered" in nonsense["outcome"]


def test_nobody_there(new_site):
    site = new_site()
    assert site.stox.ctl("tap", "--for", 1).returncode == 3
