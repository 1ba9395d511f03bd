"""The gateway speaks to other servers by itself: text both ways with each of them, in each way that it can."""
import pytest

from support.authority import Authority
from support.waiting import eventually
from support.federation import DOMAIN, EjabberdServer, Jabberd2Server, ProsodyServer
from support.mcabber import Mcabber
from support.stox import XMPP_DOMAIN

DISTRUST = "s2s_secure_auth = false\ns2s_require_encryption = true"


def prosody(**how):
    def make(folder, host, s2s_host, authority):
        return ProsodyServer(folder, host, s2s_host, **how)
    return make


def signed(authority, trusted):
    signer = authority if trusted else Authority(authority.folder / "other")
    return signer.sign(DOMAIN), signer.certificate


def prosody_tls(trusted=True, modules=(), more="s2s_secure_auth = true"):
    def make(folder, host, s2s_host, authority):
        return ProsodyServer(folder, host, s2s_host, *signed(authority, trusted), modules, more)
    return make


def ejabberd(starttls="false", trusted=True, direct_tls=False):
    def make(folder, host, s2s_host, authority):
        files = () if starttls == "false" else signed(authority, trusted)
        return EjabberdServer(folder, host, s2s_host, *files, starttls=starttls, direct_tls=direct_tls)
    return make


def jabberd2(with_tls=False):
    def make(folder, host, s2s_host, authority):
        return Jabberd2Server(folder, host, s2s_host, *(signed(authority, True) if with_tls else ()))
    return make


PLAIN = {"worker": {"insecure_domains": [DOMAIN]}}
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


def text_goes_both_ways(site, romeo, juliet):
    answer = romeo.message(site.sip_uri(juliet), "Shall I hear more?")
    assert (answer.status, answer.reason) == (200, "Accepted")
    assert juliet.next_message().body == "Shall I hear more?"

    juliet.send(site.jid_at_host(romeo), "Romeo, Romeo")
    assert romeo.next_request().text == "Romeo, Romeo"

    # What jabberd2's session manager says of unknown users is the same condition.
    refused = romeo.message(site.sip_uri(f"nobody@{DOMAIN}"), "Anyone?")
    assert (refused.status, refused.reason) == (404, "Not found")


@pytest.mark.parametrize("cell", CELLS)
def test_text_goes_both_ways(federation, cell):
    make, how, with_tls, expected = CELLS[cell]
    site = federation(make=make, **how).start()
    text_goes_both_ways(site, site.sip_user("romeo"), site.xmpp_user("juliet"))

    out = site.stream("out")
    assert {key: out[key] for key in expected} == expected
    assert bool(out["tls"]) == with_tls and out["address"].startswith(site.peer_host)
    if not expected["bidi"]:
        came = site.stream("in")
        assert came["state"] == "up" and bool(came["tls"]) == with_tls and came["address"].startswith(site.peer_host)


@pytest.mark.parametrize("server, usage", [(prosody_tls(), "serverAuth"), (ejabberd("required"), "serverAuth,clientAuth")],
                         ids=["prosody", "ejabberd"])
def test_they_come_by_direct_tls(federation, server, usage):
    """DNS has no other way to the gateway."""
    site = federation(make=server, usage=usage, services={XMPP_DOMAIN: [("_xmpps-server", 5269)]}).start()
    text_goes_both_ways(site, site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert site.stream("in")["tls"].startswith("TLSv1.3")


SERVERS = {"prosody": (prosody_tls(), {}), "ejabberd": (ejabberd("required"), {}), "jabberd2": (jabberd2(), PLAIN)}


@pytest.mark.parametrize("server", SERVERS)
def test_over_ipv6(federation, server):
    """DNS knows no other addresses, of neither side."""
    make, how = SERVERS[server]
    site = federation(make=make, family="v6", **how).start()
    text_goes_both_ways(site, site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert {site.stream(way)["address"].partition("]")[0] for way in ("out", "in")} == {"[" + site.hosts[1].address6}


@pytest.mark.parametrize("server", SERVERS)
def test_over_ipv4_when_ipv6_leads_nowhere(federation, server):
    """The other listens at all addresses; that of version 6 in DNS is nobody's."""
    make, how = SERVERS[server]
    site = federation(make=make, family="both", records=lambda site, _: {
        XMPP_DOMAIN: (site.host, 5269), DOMAIN: (f"{site.peer_host},fd77::beef", 5269)}, **how).start()
    text_goes_both_ways(site, site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert {site.stream(way)["address"].rpartition(":")[0] for way in ("out", "in")} == {site.peer_host}


def test_an_ipv6_address_in_the_configuration(federation):
    site = federation(make=prosody_tls(), family="v6", records=lambda site, _: {XMPP_DOMAIN: (site.hosts[0].address6, 5269)})
    site.stox.configuration["dns"] = {"static": {DOMAIN: f"[{site.hosts[1].address6}]:5269"}}
    site.stox.configuration["xmpp_worker"][0]["xmpp_host"] = site.hosts[0].address6
    site.stox.write()
    site.start()
    assert site.sip_user("romeo").message(site.sip_uri(f"juliet@{DOMAIN}"), "Hello").status == 200


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


def test_two_workers_of_one_domain(federation):
    """What the other server opens lands on either of them, and so do answers."""
    site = federation(make=prosody(), **PLAIN)
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


def test_streams_are_shown_and_closed(federation):
    site = federation(make=prosody_tls()).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "Hello").status == 200

    out = next(s for s in site.streams() if s["direction"] == "out")
    assert (out["own_domain"], out["domain"], out["state"]) == ("xmpp-sip.test", DOMAIN, "up")
    assert out["authentication"] == "EXTERNAL" and out["tls"].startswith("TLSv1.3") and out["address"].endswith(":5269")
    assert DOMAIN in site.stox.ctl("streams").stdout

    assert site.stox.ctl("streams", "close", DOMAIN).returncode == 0
    eventually(lambda: not [s for s in site.streams() if s["state"] == "up"], "they are closed")
    assert romeo.message(site.sip_uri(juliet), "Hello again").status == 200
    assert site.stox.ctl("streams", "reconnect", DOMAIN).returncode == 0
    eventually(lambda: [s for s in site.streams() if (s["direction"], s["state"]) == ("out", "up")], "it is up again")
    assert site.stox.ctl("streams", "close", "elsewhere.test").returncode == 1


@pytest.mark.parametrize("records, worker, status, words", [
    ({}, {}, 404, "no such name"),
    ({DOMAIN: ("127.0.0.1", 9)}, {}, 504, "Connection refused"),
], ids=["unknown", "refused"])
def test_a_domain_that_cannot_be_reached(federation, records, worker, status, words):
    site = federation(records=lambda *_: records, worker=worker).start()
    answer = site.sip_user("romeo").message(site.sip_uri(f"juliet@{DOMAIN}"), "Hello", within=40)
    assert answer.status == status
    assert words in next(s for s in site.streams() if s["direction"] == "out")["reason"]


def test_a_certificate_for_nobody_we_trust_is_refused_and_told(federation):
    site = federation(make=prosody_tls(trusted=False, more=DISTRUST)).start()
    answer = site.sip_user("romeo").message(site.sip_uri(f"juliet@{DOMAIN}"), "Hello", within=40)
    assert answer.status == 504
    reason = next(s for s in site.streams() if s["direction"] == "out")["reason"]
    assert f'"CN = {DOMAIN}"' in reason and "5269" in reason and "insecure_domains" in reason
