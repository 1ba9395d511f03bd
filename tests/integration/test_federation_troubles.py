"""Other servers that send us on, go mute, or end the stream: what it costs, whom, and what stoxctl says of it."""
import re
import socket

import pytest

from support import loopback
from support.federation import Federation
from support.hand_made_server import HandMadeServer
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

ERROR = ("<stream:error><{0} xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{1}</{0}></stream:error></stream:stream>")


def see_other_host(server):
    return ERROR.format("see-other-host", f"{server.host}:{server.port}")


@pytest.fixture
def place():
    """A gateway, and servers for two domains, each of which has another one that DNS does not know."""
    made = {}

    def records(site, _):
        for number, (name, tls) in enumerate({"safe": True, "safe-too": True, "plain": False, "plain-too": False,
                                              "good": False}.items(), 110):
            domain = f"{name.partition('-')[0]}.test"
            made[name] = HandMadeServer(loopback.address(number), domain, (site.host, site.port, XMPP_DOMAIN),
                                        site.authority.sign(f"DNS:{domain}") if tls else None)
        return {XMPP_DOMAIN: (site.host, site.port),
                **{f"{name}.test": (made[name].host, made[name].port) for name in ("safe", "plain", "good")}}

    site = Federation(records=records, worker={"insecure_domains": ["plain.test", "good.test"]}).start()
    site.servers = made
    yield site
    for server in made.values():
        server.close()
    site.stop()


def test_a_server_that_has_proved_who_it_is_sends_us_on(place):
    first, second, romeo = place.servers["safe"], place.servers["safe-too"], place.sip_user("romeo")
    first.says = see_other_host(second)
    assert romeo.message(place.sip_uri("juliet@safe.test"), "Hello").status == 200
    assert "Hello" in second.next_stanza() and first.stanzas.empty()
    assert place.stream("out", "safe.test")["address"] == f"{second.host}:{second.port}"

    # In a circle: it is tried again, and not too often.
    second.says = see_other_host(first)
    place.stox.ctl("streams", "reconnect", "safe.test")
    reason = eventually(lambda: (r := place.stream("out", "safe.test")["reason"]) and "too often" in r and r, "it says so")
    assert f"sends us to {first.host}:{first.port}" in reason or f"sends us to {second.host}:{second.port}" in reason
    assert first.connections < 20 and second.connections < 20
    second.says = ""
    eventually(lambda: romeo.message(place.sip_uri("juliet@safe.test"), "Hello again").status == 200, "it works again")


def test_who_comes_instead_must_be_that_domain(place):
    place.servers["safe"].says = see_other_host(place.servers["good"])
    answer = place.sip_user("romeo").message(place.sip_uri("juliet@safe.test"), "Hello", within=40)
    assert answer.status == 504 and place.servers["good"].stanzas.empty()
    assert "offers no TLS" in place.stream("out", "safe.test")["reason"]


def test_without_proof_nobody_sends_us_on(place):
    first, second = place.servers["plain"], place.servers["plain-too"]
    first.says = see_other_host(second)
    answer = place.sip_user("romeo").message(place.sip_uri("juliet@plain.test"), "Hello", within=40)
    assert answer.status == 504 and second.connections == 0
    reason = place.stream("out", "plain.test")["reason"]
    assert f"{second.host}:{second.port}" in reason and "not followed" in reason


@pytest.mark.parametrize("condition, status, words", [
    ("host-unknown", 404, "dns.static"), ("not-authorized", 504, f"must be for {XMPP_DOMAIN}"),
    ("resource-constraint", 504, "no room for us")])
def test_a_stream_error_is_told(place, condition, status, words):
    server, romeo = place.servers["plain"], place.sip_user("romeo")
    server.says = ERROR.format(condition, "")
    assert romeo.message(place.sip_uri("juliet@plain.test"), "Hello", within=40).status == status
    shown = place.stream("out", "plain.test")
    assert condition in shown["reason"] and words in shown["reason"] and shown["state"] == "waiting"
    assert romeo.message(place.sip_uri("juliet@good.test"), "Meanwhile").status == 200
    server.says = ""
    place.stox.ctl("streams", "reconnect", "plain.test")
    eventually(lambda: romeo.message(place.sip_uri("juliet@plain.test"), "And now?", within=40).status == 200, "it works")


def test_who_does_not_answer_our_dialback_key_is_told(place):
    """As one that cannot connect to our port: the connection to it is there, and says nothing of that."""
    server = place.servers["plain"]
    server.judges_us = False
    place.sip_user("romeo").send("MESSAGE", place.sip_uri("juliet@plain.test"), "Hello")
    said = "has not said yet whether our dialback key is valid; can it connect to our xmpp_port?"
    eventually(lambda: (out := place.stream("out", "plain.test")) and said in out["reason"], "it is said", within=10)
    assert place.stream("out", "plain.test")["state"] == "negotiating"


def test_a_mute_domain_costs_only_its_own_messages(place):
    """Over a stream of its own: it takes messages and answers no ping."""
    server, romeo, nurse = place.servers["plain"], place.sip_user("romeo"), place.sip_user("nurse")
    server.answers_pings = False

    def mute():
        return place.stox.metrics("component-1")["stox_xmpp_mute_domains"]

    lost = []
    for i in range(3):
        lost.append(romeo.send("MESSAGE", place.sip_uri("juliet@plain.test"), f"{i}"))
        assert f">{i}<" in server.next_stanza()
    assert nurse.message(place.sip_uri("juliet@good.test"), "Meanwhile").status == 200
    assert [one.answer(within=40).status for one in lost] == [504] * 3
    eventually(lambda: mute() == 1, "it is known to be mute")

    assert romeo.message(place.sip_uri("juliet@plain.test"), "3").status == 202
    assert ">3<" in server.next_stanza()
    assert nurse.message(place.sip_uri("juliet@good.test"), "Still here").status == 200

    server.answer_late()
    eventually(lambda: mute() == 0, "it has spoken after all")
    assert romeo.message(place.sip_uri("juliet@plain.test"), "4").status == 200


def test_what_a_broken_stream_took_with_it_is_not_proved_by_another(place):
    """Both have opened a bidirectional stream; ours breaks, and the answer to a later ping comes by theirs."""
    server, romeo = place.servers["good"], place.sip_user("romeo")
    juliet = place.sip_uri("juliet@good.test")
    assert romeo.message(juliet, "Hello").status == 200
    theirs = server.open()
    theirs.send(f"<bidi xmlns='urn:xmpp:bidi'/><db:result from='good.test' to='{XMPP_DOMAIN}'>key</db:result>")
    theirs.until("type='valid'")
    server.answers_pings = False
    lost = romeo.send("MESSAGE", juliet, "Lost")
    while "Lost" not in server.next_stanza():
        pass
    server.judges_us = False  # the next one of ours
    server.latest.shutdown(socket.SHUT_RDWR)
    eventually(lambda: place.stream("out", "good.test")["state"] != "up", "our stream is gone")

    later = romeo.send("MESSAGE", juliet, "Later")
    theirs.until("<ping")
    theirs.until("</iq>")
    ping = re.search(r"<iq [^>]*id='([^']*)'", theirs.text)[1]
    theirs.send(f"<iq type='result' id='{ping}' from='good.test' to='{XMPP_DOMAIN}'/>")
    assert later.answer().status == 200
    assert lost.answer().status == 504


def test_addresses_as_other_servers_write_them(place):
    """Some pass on what their users type, some have a form of their own for what others have written."""
    server, romeo = place.servers["good"], place.sip_user("romeo")
    server.spell = str.title
    assert romeo.message(place.sip_uri("juliet@good.test"), "Hello").status == 200
    stream = server.authenticated()
    to = place.jid_at_host(romeo).replace(XMPP_DOMAIN, XMPP_DOMAIN.upper())
    stream.send(f"<iq type='get' id='q1' from='juliet@Good.Test/x' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert "id='q1' type='result'" in server.next_answer()
    stream.send(f"<message type='groupchat' id='q2' from='juliet@GOOD.test/x' to='{to}'><body>Hello</body></message>")
    while "id='q2'" not in (refusal := server.next_stanza()):
        pass
    assert f"from='{place.jid_at_host(romeo)}' to='juliet@GOOD.test/x'" in refusal
    assert [s["domain"] for s in place.streams() if s["direction"].startswith("out")] == ["good.test"]


def test_senders_whose_names_stringprep_does_not_know(place):
    """Their server has stamped them: they are carried by RFC 7622, or refused to the address as it stands."""
    server, romeo = place.servers["good"], place.sip_user("romeo")
    stream, to = server.authenticated(), place.jid_at_host(romeo)
    for name, user in ("\u0d05\u0d28\u0d3f\u0d7d", "%E0%B4%85%E0%B4%A8%E0%B4%BF%E0%B5%BD"), ("\u0639\u06311", "%D8%B9%D8%B11"):
        stream.send(f"<message type='chat' id='n1' from='{name}@good.test/x' to='{to}'><body>Hello</body></message>")
        request = romeo.next_request()
        assert request.text == "Hello" and request.sender.startswith(f"sip:{user}*good.test@")
    bad = "\U0001f600@good.test/x"
    stream.send(f"<message type='chat' id='n2' from='{bad}' to='{to}'><body>Hello</body></message>")
    while "id='n2'" not in (refusal := server.next_stanza()):
        pass
    assert f"to='{bad}'" in refusal and "<jid-malformed " in refusal
