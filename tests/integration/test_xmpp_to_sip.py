"""XMPP to SIP: a message becomes a MESSAGE request, and whoever sent it is told when it failed."""
import pytest

from support import loopback
from support.sip_user import SipUser
from support.site import Site
from support.waiting import eventually


class SiteWithProxy:
    """A site whose outbound_proxy is a SIP user of the test, "benvolio", who sees all requests."""

    def __init__(self, transport, host):
        self.benvolio = SipUser(host, "sip:benvolio@sip.test", transport=transport)
        proxy = f"sip:{self.benvolio.host}:{self.benvolio.port};transport={transport}"
        self.site = Site(gateway={"outbound_proxy": proxy}).start()

    def stop(self):
        self.site.stop()
        self.benvolio.close()


@pytest.fixture(scope="module")
def udp_site():
    made = SiteWithProxy("udp", loopback.address(201))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tcp_site():
    made = SiteWithProxy("tcp", loopback.address(202))
    yield made
    made.stop()


@pytest.fixture(params=["udp_site", "tcp_site"])
def proxied(request):
    """(site, benvolio) for each transport."""
    made = request.getfixturevalue(request.param)
    made.benvolio.automatic = (200, "OK")
    yield made.site, made.benvolio
    made.site.users_leave()


def test_a_message_goes_to_the_outbound_proxy(proxied):
    site, benvolio = proxied
    juliet = site.xmpp_user("juliet")

    juliet.send(site.jid(benvolio), "Where is Romeo?")

    request = benvolio.next_request()
    assert (request.method, request.uri, request.text) == ("MESSAGE", "sip:benvolio@sip.test", "Where is Romeo?")
    assert request.sender.split(";")[0] == site.sip_uri(juliet)
    assert request.get("content-type").replace(" ", "").lower() == "text/plain;charset=utf-8"
    assert request.get("contact") is None
    assert juliet.nothing_came()


def test_without_a_proxy_the_address_decides(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")

    juliet.send(site.jid_at_host(romeo), "Grüße & <Küsse>", type="normal")

    request = romeo.next_request()
    assert request.uri == f"sip:romeo@{romeo.host}:{romeo.port}"
    assert request.text == "Grüße & <Küsse>"


def test_the_answer_goes_back_to_whoever_wrote(site):
    """Both directions with the addresses that each side has seen."""
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.uri = f"sip:romeo@{romeo.host}:{romeo.port}"

    assert romeo.message(site.sip_uri(juliet), "Good night").status == 200
    juliet.send(juliet.next_message().sender, "A thousand times good night")

    request = romeo.next_request()
    assert request.text == "A thousand times good night"
    assert romeo.message(request.sender, "The worse to want thy light").status == 200
    assert juliet.next_message().body == "The worse to want thy light"


@pytest.mark.parametrize("status, reason, condition, error_type", [
    (400, "Bad Request", "bad-request", "modify"),
    (403, "Forbidden", "forbidden", "auth"),
    (404, "Not Found", "item-not-found", "cancel"),
    (415, "Unsupported Media Type", "not-acceptable", "modify"),
    (480, "Temporarily Unavailable", "recipient-unavailable", "wait"),
    (486, "Busy Here", "recipient-unavailable", "wait"),
    (500, "Server Internal Error", "internal-server-error", "cancel"),
    (503, "Service Unavailable", "internal-server-error", "wait"),
    (603, "Decline", "recipient-unavailable", "wait"),
])
def test_a_refusal_reaches_the_client_that_wrote(site, status, reason, condition, error_type):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    other_client = site.xmpp_user("juliet", "orchard")
    romeo.automatic = (status, reason)

    identifier = juliet.send(site.jid_at_host(romeo), "Hello?")

    error = juliet.next_message()
    assert (error.type, error.condition, error.error_type) == ("error", condition, error_type)
    assert (error.id, error.sender, error.to) == (identifier, site.jid_at_host(romeo), juliet.full)
    assert error.body == ""
    assert other_client.nothing_came()


def test_silence_becomes_a_time_out(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None

    identifier = juliet.send(site.jid_at_host(romeo), "Hello?")

    error = juliet.next_message(within=60)
    assert (error.id, error.condition, error.error_type) == (identifier, "remote-server-timeout", "wait")
    assert list(romeo.copies.values()) == [11]  # RFC 3261 17.1.2.2: Timers E and F


def test_nobody_listens(site):
    juliet = site.xmpp_user("juliet")
    host = loopback.address(240)

    juliet.send(f"romeo*{host}\\3a{loopback.free_port(host)}@xmpp-sip.test", "Hello?")

    error = juliet.next_message(within=60)
    assert (error.condition, error.error_type) == ("remote-server-timeout", "wait")


def test_a_request_is_repeated_until_it_is_answered(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None

    juliet.send(site.jid_at_host(romeo), "once")
    request = romeo.next_request()
    eventually(lambda: romeo.copies[request.branch] >= 3, "the request comes again")
    request.respond(200, "OK")
    juliet.send(site.jid_at_host(romeo), "twice")

    second = romeo.next_request()  # which waited for the first one's end
    assert (second.text, len(romeo.copies)) == ("twice", 2)
    second.respond(200, "OK")
    assert juliet.nothing_came()


def test_one_message_at_a_time_for_each_target(site):
    juliet, romeo, mercutio = site.xmpp_user("juliet"), site.sip_user("romeo"), site.sip_user("mercutio")
    romeo.automatic = None

    for body in "first", "second", "third":
        juliet.send(site.jid_at_host(romeo), body)
    first = romeo.next_request()
    juliet.send(site.jid_at_host(mercutio), "aside")
    assert mercutio.next_request().text == "aside"  # another target does not wait
    assert romeo.inbox.empty()

    first.respond(200, "OK")
    second = romeo.next_request()
    assert romeo.inbox.empty()
    second.respond(480, "Temporarily Unavailable")
    third = romeo.next_request()
    third.respond(200, "OK")
    assert [first.text, second.text, third.text] == ["first", "second", "third"]
    assert juliet.next_message().condition == "recipient-unavailable"
    assert juliet.nothing_came()


def test_a_hundred_messages_stay_in_order(proxied):
    site, benvolio = proxied
    juliet = site.xmpp_user("juliet")
    bodies = [f"number {i}" for i in range(100)]

    for body in bodies:
        juliet.send(site.jid(benvolio), body)

    assert benvolio.texts(100) == bodies
    assert benvolio.inbox.empty() and juliet.nothing_came()


def test_what_is_no_message_of_text_is_not_sent(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    to = site.jid_at_host(romeo)

    juliet.send_raw(f"<message to='{to}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
    juliet.send_raw(f"<message to='{to}' type='error'><body>an error</body><error type='cancel'>"
                    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    juliet.send(to, "text")

    assert romeo.next_request().text == "text"
    assert juliet.nothing_came()


def test_group_chat_is_refused(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")

    juliet.send(site.jid_at_host(romeo), "all of you", type="groupchat")

    assert juliet.next_message().condition == "service-unavailable"
    assert romeo.inbox.empty()


@pytest.mark.parametrize("to, condition, error_type", [
    ("romeo@xmpp-sip.test", "item-not-found", "cancel"),  # no separator
    ("romeo*not\\20a\\20host@xmpp-sip.test", "item-not-found", "cancel"),
    ("romeo*sip.test;transport=tcp@xmpp-sip.test", "item-not-found", "cancel"),
    ("foo\\5cbar*sip.test@xmpp-sip.test", "jid-malformed", "modify"),  # not the canonical spelling
])
def test_an_address_that_cannot_be_mapped_is_told(site, to, condition, error_type):
    juliet = site.xmpp_user("juliet")

    identifier = juliet.send(to, "Hello?")

    error = juliet.next_message()
    assert (error.id, error.condition, error.error_type) == (identifier, condition, error_type)
