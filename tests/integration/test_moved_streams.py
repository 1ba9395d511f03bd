"""Several workers of one domain: a server turns from one to the other, and its messages stay in order."""
import pytest

from support import loopback
from support.federation import Federation
from support.hand_made_server import HandMadeServer
from support.site import Site
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

FIRST, SECOND = "component-1", "component-2"


@pytest.fixture
def site():
    def records(made, _):
        gateway = (made.host, made.port, XMPP_DOMAIN)
        made.other = HandMadeServer(loopback.address(101), "other.test", gateway)
        return {XMPP_DOMAIN: (made.host, made.port), "other.test": (made.other.host, made.other.port)}

    made = Federation(records=records, with_certificate=False, worker={"insecure_domains": ["other.test"]})
    first = made.stox.configuration["xmpp_worker"][0]
    made.ports = {FIRST: made.port, SECOND: loopback.free_port(made.host)}
    made.stox.configuration["xmpp_worker"].append({**first, "name": SECOND, "xmpp_port": made.ports[SECOND]})
    made.stox.write()
    made.stox.processes[SECOND] = made.another_worker(SECOND)
    made.stox.names = [*made.stox.names, SECOND]
    yield made.start()
    made.other.close()
    made.stop()


def stream_to(site, worker):
    site.other.gateway = (site.host, site.ports[worker], XMPP_DOMAIN)
    return site.other.authenticated()


def say(site, stream, romeo, text):
    stream.send(f"<message from='juliet@other.test/x' to='{site.jid_at_host(romeo)}' type='chat' id='{text}'>"
                f"<body>{text}</body></message>")


def stages(site, worker):
    return [each["stage"] for each in site.stox.ctl_json("inflight", worker)["in_flight"]]


@pytest.fixture
def first(site):
    """The phone has a message of the first worker's and does not answer; then that worker's stream ends."""
    romeo = site.sip_user("romeo")
    romeo.automatic = None
    stream = stream_to(site, FIRST)
    say(site, stream, romeo, "first")
    request = romeo.next_request()
    stream.socket.close()
    romeo.automatic = (200, "OK")
    return request


def second_and_third_wait(site):
    romeo, stream = site.users[0], stream_to(site, SECOND)
    say(site, stream, romeo, "second")
    say(site, stream, romeo, "third")
    eventually(lambda: stages(site, SECOND) == ["waits for another worker"] * 2, "the second worker waits")


def then_they_come(site, first):
    first.respond(200, "OK")
    assert [site.users[0].next_request().text for _ in range(2)] == ["second", "third"]


def test_what_the_first_has_in_hand_is_not_overtaken(site, first):
    second_and_third_wait(site)
    then_they_come(site, first)


def test_nor_what_a_killed_one_has_in_its_journal(site, first):
    site.stox.kill(FIRST)
    site.stox.start(FIRST)
    eventually(lambda: site.stox.in_flight(FIRST) == 1, "it is back")
    second_and_third_wait(site)
    then_they_come(site, first)


def test_a_worker_that_stays_away_is_not_waited_for(site):
    romeo, stox = site.sip_user("romeo"), site.stox
    stream_to(site, FIRST)
    stox.kill(FIRST)
    say(site, stream_to(site, SECOND), romeo, "alone")
    assert romeo.next_request().text == "alone"


def test_a_standby_waits_for_the_journal_of_the_one_that_was_killed():
    """Prosody turns to the standby at once, and writes there."""
    site = Site(workers=2).start()
    try:
        stox, romeo, juliet = site.stox, site.sip_user("romeo"), site.xmpp_user("juliet")
        states = {stox.state(name): name for name in (FIRST, SECOND)}
        active, standby = states["ready"], states["standby"]
        romeo.automatic = None
        juliet.send(site.jid_at_host(romeo), "first")
        first = romeo.next_request()
        romeo.automatic = (200, "OK")
        stox.kill(active)
        stox.until(standby, "ready")
        stox.start(active)
        eventually(lambda: stox.in_flight(active) == 1, "it is back")
        juliet.send(site.jid_at_host(romeo), "second")
        eventually(lambda: stages(site, standby) == ["waits for another worker"], "the second waits")
        first.respond(200, "OK")
        assert romeo.next_request().text == "second"
    finally:
        site.stop()
