"""Through a real proxy: users register at Kamailio, which forwards the gateway's domain to it."""
import pytest

from support import loopback
from support.site import Site
from support.sipp import Sipp

both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@pytest.fixture(scope="module")
def standing_site():
    site = Site(with_proxy=True).start()
    yield site
    site.stop()


@both_transports
def test_hello_and_an_answer(site, transport):
    romeo, juliet = site.sip_user("romeo", transport, registered=True), site.xmpp_user("juliet")

    answer = romeo.message_through_proxy(site.sip_uri(juliet), "hello")
    assert (answer.status, answer.reason) == (200, "Accepted")
    message = juliet.next_message()
    assert (message.body, message.sender) == ("hello", "romeo*sip.test@xmpp-sip.test")

    juliet.send(message.sender, "hello yourself")
    assert romeo.next_request().text == "hello yourself"
    assert juliet.nothing_came()


def test_sipp_registers_and_receives(site, tmp_path):
    juliet = site.xmpp_user("juliet")
    rosaline = Sipp(tmp_path, "answer", loopback.address(250), values={"STATUS": 200, "REASON": "OK"}).start()
    Sipp(tmp_path, "register", loopback.address(251), site.kamailio.address, user="rosaline", domain="sip.test",
         values={"USER": "rosaline", "PASSWORD": "pw"}, contact=f"sip:rosaline@{rosaline.host}:{rosaline.port}").play()

    juliet.send("rosaline*sip.test@xmpp-sip.test", "Is it you?")

    rosaline.finish()
    assert [body for _, body in rosaline.received()] == ["Is it you?"]
    assert juliet.nothing_came()


def test_who_is_not_registered_is_not_found(site):
    juliet = site.xmpp_user("juliet")
    juliet.send("nobody*sip.test@xmpp-sip.test", "Anyone?")
    error = juliet.next_message()
    assert (error.condition, error.text) == ("item-not-found", "404 Not registered")


def test_an_unknown_xmpp_user_is_not_found(site):
    romeo = site.sip_user("romeo", registered=True)
    assert romeo.message_through_proxy(site.sip_uri("nobody@xmpp.test"), "Anyone?").status == 404
