"""Component mode against each of the servers that people run."""
import pytest

from support.ejabberd import Ejabberd
from support.jabberd2 import Jabberd2
from support.prosody import Prosody
from support.site import Site
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
SERVERS = [Prosody, Ejabberd, Jabberd2]

newer_servers = pytest.mark.parametrize("server", [Ejabberd, Jabberd2])  # what is in test_xmpp_server.py for Prosody


class TestMessages:
    @pytest.fixture(scope="class", params=SERVERS)
    def standing_site(self, request):
        site = Site(server=request.param).start()
        yield site
        site.stop()

    def test_both_ways(self, site):
        romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
        assert romeo.message(site.sip_uri(juliet), "But soft").status == 200
        assert juliet.next_message().body == "But soft"
        juliet.send(site.jid_at_host(romeo), "Ay me")
        assert romeo.next_request().text == "Ay me"

    def test_to_one_who_is_away(self, site):
        romeo = site.sip_user("romeo")
        assert romeo.message(site.sip_uri("nurse@xmpp.test"), "for later").status == 200
        assert site.xmpp_user("nurse").next_message().body == "for later"

    def test_to_nobody(self, site):
        assert site.sip_user("romeo").message(site.sip_uri("nobody@xmpp.test"), "hello?").status == 404

    def test_to_a_domain_that_the_server_does_not_reach(self, site):
        """COMPAT(jabberd2 2.7): the bounce has the addresses as they were."""
        answer = site.sip_user("romeo").message(site.sip_uri("x@elsewhere.test"), "hello?")
        assert answer.status in (403, 404, 480), answer

    def test_from_xmpp_to_nobody_on_sip(self, site):
        juliet = site.xmpp_user("juliet")
        juliet.send(f"romeo*nowhere.invalid@{XMPP_DOMAIN}", "hello?")
        assert juliet.next_message().type == "error"


@newer_servers
@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_server_goes_and_comes_back(new_site, server, way):
    site = new_site(server=server).start()
    romeo = site.sip_user("romeo")

    getattr(site.xmpp_server, way)()
    assert romeo.message(JULIET, "Are you there?", within=40).status in (503, 504)
    eventually(lambda: site.stox.state("component-1") == "starting" and site.stox.status()["component-1"]["reason"],
               "it says why it is not ready")
    site.xmpp_server.start()
    site.stox.until("component-1", "ready", within=90)
    assert romeo.message(JULIET, "And now?").status == 200


@newer_servers
def test_a_wrong_password_is_told(new_site, server):
    site = new_site(server=server, worker={"xmpp_password": "wrong-secret"})
    site.xmpp_server.start()
    site.stox.start()

    reason = eventually(lambda: "not-authorized" in (r := site.stox.status()["component-1"]["reason"]) and r,
                        "status says not-authorized")
    assert "xmpp_password" in reason
    assert "next try in 6" in reason or "next try in 7" in reason, "refusals are not repeated fast"
    assert site.sip_user("romeo").message(JULIET, "Hello").status == 503
    assert "wrong-secret" not in site.stox.log("component-1")

    # The right one is tried at once.
    site.stox.configuration["xmpp_worker"][0]["xmpp_password"] = site.xmpp_server.secret
    site.stox.write()
    site.stox.processes["component-1"].signal(1)
    site.stox.ready()


def test_ejabberd_does_not_know_the_component(new_site):
    """It says so with the words of a wrong password."""
    site = new_site(server=Ejabberd, gateway={"xmpp_domain": "another-sip.test"})
    site.xmpp_server.start()
    site.stox.start()
    eventually(lambda: "does not know the component" in site.stox.status()["component-1"]["reason"], "status says it")


def test_a_server_that_takes_only_small_stanzas(new_site):
    """One that is too large costs a stream once; then it is known."""
    site = new_site(server=lambda *a, **k: Ejabberd(*a, max_stanza_bytes=20_000, **k)).start()
    romeo = site.sip_user("romeo", transport="tcp")

    assert romeo.message(JULIET, "x" * 30_000).status in (503, 504, 513)
    assert "policy-violation" in site.stox.log("component-1")
    site.stox.ready()
    streams = site.stox.metrics("component-1")["stox_xmpp_streams_total"]
    assert romeo.message(JULIET, "x" * 30_000).status == 513
    assert romeo.message(JULIET, "x" * 10_000).status == 200
    assert site.stox.metrics("component-1")["stox_xmpp_streams_total"] == streams
