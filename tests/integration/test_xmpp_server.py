"""The XMPP server goes, comes back, refuses: SIP gets a true answer, and the operator the reason."""
import signal

import pytest

from support.stox import XMPP_DOMAIN
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"


class Reached:
    """A server that another site runs."""

    def __init__(self, server):
        self.host, self.component_port, self.secret = server.host, server.component_port, server.secret


def refused(answer):
    """A failure that says that it is one, and when to come again."""
    if answer.status == 503:
        assert int(answer.get("retry-after").split(";")[0].split("(")[0]) >= 1
    assert answer.status in (503, 504), answer
    assert answer.reason not in ("", "OK", "Accepted")
    return True


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_server_is_gone_and_comes_back(new_site, way):
    site = new_site().start()
    romeo = site.sip_user("romeo")

    getattr(site.xmpp_server, way)()
    assert refused(romeo.message(JULIET, "Are you there?", within=40))
    assert "component-1" in site.stox.ctl("status").stdout
    assert site.stox.status()["component-1"]["reason"]

    site.xmpp_server.start()
    site.stox.until("component-1", "ready", within=90)
    assert romeo.message(JULIET, "And now?").status == 200


def test_a_message_waits_for_a_server_that_restarts(new_site):
    site = new_site().start()
    romeo = site.sip_user("romeo")

    site.xmpp_server.stop()
    sent = romeo.send("MESSAGE", JULIET, "Be quick")
    eventually(lambda: site.stox.in_flight("sip-1") == 1, "the message is in flight")
    site.xmpp_server.start()

    assert sent.answer().status == 200
    assert site.xmpp_user("juliet").next_message().body == "Be quick"


def test_a_server_that_starts_later_is_found(new_site):
    site = new_site()
    site.stox.start()
    eventually(lambda: site.stox.state("component-1") == "starting" and site.stox.status()["component-1"]["reason"],
               "it says why it is not ready")
    site.xmpp_server.start()
    site.stox.ready(within=90)
    assert site.sip_user("romeo").message(JULIET, "Hello").status == 200


def refuses(site, condition):
    """The reason is in status, in the log, and in the answer's status."""
    eventually(lambda: condition in site.stox.status()["component-1"]["reason"], f"status says {condition}")
    assert condition in site.stox.log("component-1")
    assert site.stox.ctl("wait-ready", "--timeout", 1).returncode == 1
    answer = site.sip_user("romeo").message(JULIET, "Hello")
    return answer.status == 503 and refused(answer)


def test_a_wrong_password_is_told(new_site):
    site = new_site(worker={"xmpp_password": "wrong-secret"})
    site.xmpp_server.start()
    site.stox.start()
    assert refuses(site, "not-authorized")
    assert "wrong-secret" not in site.stox.log("component-1")


def test_a_server_that_was_mended_is_connected_to_when_an_operator_says_so(new_site):
    site = new_site()
    configuration = site.xmpp_server.folder / "prosody.cfg.lua"
    right = configuration.read_text()
    configuration.write_text(right.replace('"secret"', '"another"'))
    site.xmpp_server.start()
    site.stox.start()
    assert refuses(site, "not-authorized")
    site.xmpp_server.stop()
    configuration.write_text(right)
    site.xmpp_server.start()
    for name in "component-1", XMPP_DOMAIN:
        connected = site.stox.log("component-1").count("connected to")
        assert site.stox.ctl("reconnect", name).returncode == 0
        eventually(lambda: site.stox.log("component-1").count("connected to") > connected, "it is connected", within=20)
    unknown = site.stox.ctl("reconnect", "component-9")
    assert unknown.returncode == 1 and "component-9" in unknown.stderr


def test_a_frozen_server_is_told(new_site):
    site = new_site().start()
    romeo = site.sip_user("romeo")
    assert romeo.message(JULIET, "Hello").status == 200
    site.xmpp_server.signal(signal.SIGSTOP)
    sent = [romeo.send("MESSAGE", JULIET, f"{i}") for i in range(5)]

    def told():
        one = site.stox.status()["component-1"]
        return one["state"] == "ready" and "has answered nothing for" in one["reason"] and "5 messages" in one["reason"]
    eventually(told, "status says so")
    assert site.stox.ctl("status").returncode == 1
    site.xmpp_server.signal(signal.SIGCONT)
    assert all(one.answer(within=40).status in (200, 504) for one in sent)
    eventually(lambda: not site.stox.status()["component-1"]["reason"], "it answers")


def test_an_unknown_component_is_told(new_site):
    site = new_site(gateway={"xmpp_domain": "another-sip.test"})
    site.xmpp_server.start()
    site.stox.start()
    assert refuses(site, "host-unknown")


def test_a_second_gateway_of_one_name_is_told(site, new_site):
    second = new_site(xmpp_server=Reached(site.xmpp_server))
    second.stox.start()
    eventually(lambda: "conflict" in second.stox.status()["component-1"]["reason"], "status says conflict")
    assert "conflict" in second.stox.log("component-1")
    assert site.stox.state("component-1") == "ready"
