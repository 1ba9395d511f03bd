"""Through a real proxy: users register at Kamailio, which forwards the gateway's domain to it."""
import pytest

from support import loopback
from support.sipp import Sipp

SITE = {"with_proxy": True, "with_tls": True}
all_transports = pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])


def hello_and_an_answer(site, romeo):
    juliet = site.xmpp_user("juliet")
    answer = romeo.message_through_proxy(site.sip_uri(juliet), "hello, ünïcödé ☕")
    assert (answer.status, answer.reason) == (200, "Accepted")
    message = juliet.next_message()
    assert (message.body, message.sender) == ("hello, ünïcödé ☕", "romeo*sip.test@xmpp-sip.test")

    juliet.send(message.sender, "grüß dich 𝄞")
    assert romeo.next_request().text == "grüß dich 𝄞"
    assert juliet.nothing_came()


@all_transports
def test_hello_and_an_answer(site, transport):
    hello_and_an_answer(site, site.sip_user("romeo", transport, registered=True))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_the_gateway_reaches_the_proxy_by_a_connection(new_site, transport):
    site = new_site(with_proxy=True, with_tls=True, proxy_transport=transport).start()
    hello_and_an_answer(site, site.sip_user("romeo", registered=True))
    listed = {peer["name"]: peer for peer in site.stox.status()["sip-1"]["peers"]}
    assert listed[f"{transport} connections"]["opened_by_us"] == 1


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_gateway_proves_itself_to_the_proxy(new_site, algorithm):
    credentials = {"realm": "sip.test", "username": "gateway", "password": "pw"}
    site = new_site(with_proxy=True, proxy={"challenge": algorithm}, front={"credentials": [credentials]}).start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    for text in "one", "two", "three":
        juliet.send("romeo*sip.test@xmpp-sip.test", text)
        assert romeo.next_request().text == text
    assert juliet.nothing_came()

    site.stox.configuration["sip_front"][0]["credentials"][0]["password"] = "wrong"
    site.stox.write()
    site.stox.restart("sip-1")
    site.stox.ready()
    juliet.send("romeo*sip.test@xmpp-sip.test", "four")
    assert juliet.next_message().type == "error"
    assert "does not accept the username or password" in site.stox.log("sip-1")


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
    assert (error.condition, error.text) == ("item-not-found", "There is no such SIP user (404 Not registered)")


def test_an_unknown_xmpp_user_is_not_found(site):
    romeo = site.sip_user("romeo", registered=True)
    assert romeo.message_through_proxy(site.sip_uri("nobody@xmpp.test"), "Anyone?").status == 404


def test_a_proxy_that_is_down_is_told_until_it_answers(new_site):
    site = new_site(with_proxy=True).start()
    juliet = site.xmpp_user("juliet")

    def failures():
        return [peer for peer in site.stox.status()["sip-1"]["peers"] if peer["kind"] == "outbound_proxy"]

    def answer():
        juliet.send("romeo*sip.test@xmpp-sip.test", "hello")
        return juliet.next_message().condition

    assert answer() == "item-not-found" and not failures()
    site.kamailio.stop()
    assert answer() == "remote-server-timeout"
    shown, = failures()
    assert (shown["times"], shown["why"]) == (1, "cannot be reached (nobody listens there)")
    assert f"no answer of outbound_proxy UDP {site.kamailio.address[0]}:{site.kamailio.address[1]}" in site.stox.ctl("status").stdout
    site.kamailio.start()
    assert answer() == "item-not-found" and not failures()
