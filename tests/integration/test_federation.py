"""The gateway speaks to other servers by itself: text both ways with each of them, in each way that it can."""
import pytest

from support.federation import DISTRUST, DOMAIN, PLAIN, ejabberd, jabberd2, prosody, prosody_tls
from support.mcabber import Mcabber
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

FOR_CLIENTS = {"usage": "serverAuth,clientAuth"}
DIRECT = {DOMAIN: [("_xmpps-server", 5270)]}
EXTERNAL = {"authentication": "EXTERNAL", "bidi": False, "stream_management": False}
DIALBACK = {**EXTERNAL, "authentication": "dialback"}
# Name: the other server, what its site is, whether there is TLS, and how the gateway's stream to it came up.
CELLS = {
    "prosody-plain-dialback": (prosody(), PLAIN, False, DIALBACK),
    "prosody-starttls-dialback": (prosody_tls(trusted=False, more=DISTRUST), PLAIN, True, DIALBACK),
    "prosody-starttls-external": (prosody_tls(), {}, True, EXTERNAL),
    "prosody-bidi": (prosody_tls(modules=["s2s_bidi"]), {}, True, {**EXTERNAL, "bidi": True}),
    "prosody-stream-management": (prosody_tls(modules=["smacks"]), {}, True, {**EXTERNAL, "stream_management": True}),
    "prosody-direct-tls": (prosody_tls(more="s2s_secure_auth = true\ns2s_direct_tls_ports = { 5270 }"), {"services": DIRECT},
                           True, EXTERNAL),
    "ejabberd-plain-dialback": (ejabberd(), PLAIN, False, DIALBACK),
    "ejabberd-starttls-dialback": (ejabberd("optional", trusted=False), PLAIN, True, DIALBACK),
    "ejabberd-starttls-external": (ejabberd("required"), FOR_CLIENTS, True, EXTERNAL),
    # COMPAT(ejabberd 23): no client may be who is a server by its certificate's extendedKeyUsage.
    "ejabberd-starttls-servers-certificate": (ejabberd("required"), {}, True, DIALBACK),
    "ejabberd-direct-tls": (ejabberd("required", direct_tls=True),
                            {**FOR_CLIENTS, "services": {DOMAIN: [("_xmpps-server", 5269)]}}, True, EXTERNAL),
    "jabberd2-plain-dialback": (jabberd2(), PLAIN, False, DIALBACK),
    # It offers neither SASL nor bidi nor stream management, whoever asks.
    "jabberd2-starttls-dialback": (jabberd2(with_tls=True), {}, True, DIALBACK),
}


@pytest.mark.parametrize("cell", CELLS)
def test_text_goes_both_ways(federation, cell):
    make, how, with_tls, expected = CELLS[cell]
    site = federation(make=make, **how).start()
    site.text_goes_both_ways(site.sip_user("romeo"), site.xmpp_user("juliet"))

    out = site.stream("out")
    assert {key: out[key] for key in expected} == expected
    assert bool(out["tls"]) == with_tls and out["address"].startswith(site.peer_host)
    if not expected["bidi"]:
        came = site.stream("in")
        assert came["state"] == "up" and bool(came["tls"]) == with_tls and came["address"].startswith(site.peer_host)


def test_a_client_that_people_use(federation):
    """mcabber on Prosody, at a server of its own, and words that are not ASCII."""
    site = federation(make=prosody_tls())
    romeo = site.sip_user("romeo")
    site.stox.configuration["gateway"]["outbound_proxy"] = f"sip:{romeo.host}:{romeo.port};transport=udp"
    site.stox.write()
    site.start()
    juliet = Mcabber(site.folder / "mcabber", site.server, "juliet").start()
    try:
        eventually(lambda: "Authenticated as juliet" in site.server.log(10**6), "mcabber has logged in")
        words = "Grüße, Юлия 🌹 & <Küsse>"
        assert romeo.message(site.sip_uri(juliet), words).status == 200
        address = f"romeo*sip.test@{XMPP_DOMAIN}"
        assert eventually(lambda: juliet.came(address), "mcabber has shown it") == [words]

        juliet.send(address, "Schöne Träume — 夢")
        request = romeo.next_request()
        assert (request.uri, request.text) == ("sip:romeo@sip.test", "Schöne Träume — 夢")
    finally:
        juliet.stop()


@pytest.mark.parametrize("server", [prosody(), ejabberd()], ids=["prosody", "ejabberd"])
def test_two_workers_of_one_domain(federation, server):
    """What the other server opens lands on either of them, and so do answers."""
    site = federation(make=server, **PLAIN)
    second = site.another_worker("component-1@2")
    site.start()
    second.start()
    try:
        eventually(lambda: "component-1@2" in {p["name"] for p in site.stox.status()["mapper-1"]["peers"]}, "both are there")
        romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
        for i in range(4):
            assert romeo.message(site.sip_uri(juliet), f"number {i}").status == 200
            assert romeo.message(site.sip_uri(f"nobody{i}@{DOMAIN}"), "Anyone?").status == 404
            juliet.send(site.jid_at_host(romeo), f"answer {i}")
            assert romeo.next_request().text == f"answer {i}"
        assert juliet.bodies(4) == [f"number {i}" for i in range(4)]
    finally:
        assert second.stop() == 0


def test_who_asks_first_is_answered(federation):
    """Their certificate was enough: there is no stream to them yet that the answer could take."""
    site = federation(make=prosody_tls()).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    romeo.automatic = (489, "Bad Event")
    assert "subscribed" in juliet.subscribe(site.jid_at_host(romeo))
