"""What the answer to SIP rests on: 200 is proved, 202 is passed on, and who says nothing costs only its own."""
import pytest

from support import loopback
from support.site import Site
from support.waiting import eventually
from support.xmpp_server import XmppServer

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
MUTE = "sip:echo*mute.test@sip-xmpp.test"


@pytest.fixture
def site():
    server = XmppServer(loopback.address(200))
    site = Site(xmpp_server=server).start()
    yield site
    site.stop()
    server.close()


def bounce(stanza, swapped=True):
    sender, to = (stanza.get("to"), stanza.get("from")) if swapped else (stanza.get("from"), stanza.get("to"))
    return (f"<message type='error' from='{sender}' to='{to}' id='{stanza.get('id')}'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")


def result(ping):
    return f"<iq type='result' from='{ping.get('to')}' to='{ping.get('from')}' id='{ping.get('id')}'/>"


@pytest.mark.parametrize("swapped", [True, False])
def test_a_bounce_before_the_proof_is_the_answer(site, swapped):
    site.xmpp_server.mute = {"xmpp.test"}
    sent = site.sip_user("romeo").send("MESSAGE", JULIET, "hello?")
    stanza, ping = site.xmpp_server.next_stanza(), site.xmpp_server.pings.get(timeout=30)

    site.xmpp_server.send(bounce(stanza, swapped) + result(ping))
    assert sent.answer().status == 404


def test_a_bounce_that_lands_late_is_seen(site):
    romeo = site.sip_user("romeo")
    assert romeo.message(JULIET, "hello").status == 200

    stanza = site.xmpp_server.next_stanza()
    site.xmpp_server.send(bounce(stanza))
    eventually(lambda: site.stox.metrics("component-1")["stox_xmpp_late_errors_total"] == 1, "it is counted")
    assert "after it had been answered" in site.stox.log("component-1")
    assert romeo.message(JULIET, "hello again").status == 200


def test_strangers_cannot_bounce_or_prove(site):
    site.xmpp_server.mute = {"xmpp.test"}
    sent = site.sip_user("romeo").send("MESSAGE", JULIET, "hello?")
    stanza, ping = site.xmpp_server.next_stanza(), site.xmpp_server.pings.get(timeout=30)

    stanza.set("to", "mallory@xmpp.test")
    site.xmpp_server.send(bounce(stanza))
    forged = result(ping).replace("from='xmpp.test'", "from='mallory.test'")
    site.xmpp_server.send(forged)
    site.xmpp_server.send(result(ping))
    assert sent.answer().status == 200


def test_a_mute_domain_costs_only_its_own_messages(site):
    site.xmpp_server.mute = {"mute.test"}
    echo, romeo = site.sip_user("nurse"), site.sip_user("romeo")

    lost = []
    for i in range(3):
        lost.append(echo.send("MESSAGE", MUTE, f"{i}"))
        late = site.xmpp_server.pings.get(timeout=30)  # each its own group
    assert romeo.message(JULIET, "meanwhile").status == 200
    assert [each.answer(within=40).status for each in lost] == [504] * 3
    # It was asked three times and said nothing: from now on that is known.
    eventually(lambda: site.stox.metrics("component-1")["stox_xmpp_mute_domains"] == 1, "it is known")
    assert echo.message(MUTE, "3").status == 202
    assert romeo.message(JULIET, "still here").status == 200
    assert site.stox.metrics("component-1")["stox_xmpp_streams_total"] == 1

    # An answer after all, and be it late, and it is proved again.
    site.xmpp_server.mute = set()
    site.xmpp_server.send(result(late))
    eventually(lambda: site.stox.metrics("component-1")["stox_xmpp_mute_domains"] == 0, "it has spoken")
    assert echo.message(MUTE, "4").status == 200


def test_a_server_that_answers_nothing_is_left(site):
    """The peer of the stream is silent, too: 504, and a new stream."""
    site.xmpp_server.answers_pings = False
    assert site.sip_user("romeo").message(JULIET, "hello?", within=40).status == 504
    assert "does not answer pings" in site.stox.log("component-1")
    site.xmpp_server.answers_pings = True
    eventually(lambda: site.xmpp_server.streams == 2, "it reconnects")
    site.stox.ready()
    assert site.sip_user("nurse").message(JULIET, "hello").status == 200


@pytest.mark.parametrize("condition", ["invalid-from", "policy-violation", "system-shutdown", "reset",
                                       "internal-server-error", "conflict", "undefined-condition"])
def test_a_stream_error_is_told(site, condition):
    site.xmpp_server.send(f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
                          "</stream:stream>")
    eventually(lambda: condition in site.stox.log("component-1"), "the log says it")
    if condition == "conflict":
        reason = site.stox.status()["component-1"]["reason"]
        assert "another program is connected" in reason and "next try in 3" in reason
        assert site.stox.metrics("component-1")["stox_xmpp_stream_contended"] == 1
    else:
        eventually(lambda: site.xmpp_server.streams == 2, "it reconnects")
        site.stox.ready()
        assert site.sip_user("romeo").message(JULIET, "hello").status == 200
