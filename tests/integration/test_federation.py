"""The gateway speaks to other servers by itself: text both ways with each of them, in each way that it can."""
import pytest

from support.authority import Authority
from support.waiting import eventually
from support.federation import DOMAIN, EjabberdServer, Jabberd2Server, ProsodyServer

DISTRUST = "s2s_secure_auth = false\ns2s_require_encryption = true"


def prosody(**how):
    def make(folder, host, name_server, authority):
        return ProsodyServer(folder, host, name_server, **how)
    return make


def prosody_tls(trusted=True, modules=(), more="s2s_secure_auth = true"):
    def make(folder, host, name_server, authority):
        signer = authority if trusted else Authority(authority.folder / "other")
        return ProsodyServer(folder, host, name_server, signer.sign(DOMAIN), signer.certificate, modules, more)
    return make


def ejabberd(starttls="false", trusted=True):
    def make(folder, host, name_server, authority):
        signer = authority if trusted else Authority(authority.folder / "other")
        files = () if starttls == "false" else (signer.sign(DOMAIN), signer.certificate)
        return EjabberdServer(folder, host, name_server, *files, starttls=starttls)
    make.asks_system = True  # for addresses, by a program of its own: only SRV goes by Erlang's resolver
    return make


def jabberd2(with_tls=False):
    def make(folder, host, name_server, authority):
        return Jabberd2Server(folder, host, name_server, *((authority.sign(DOMAIN), authority.certificate) if with_tls else ()))
    return make


PLAIN = {"insecure_domains": [DOMAIN]}
CELLS = {
    "prosody-plain-dialback": (prosody(), PLAIN),
    "prosody-starttls-dialback": (prosody_tls(trusted=False, more=DISTRUST), PLAIN),
    "prosody-starttls-external": (prosody_tls(), {}),
    "prosody-bidi": (prosody_tls(modules=["s2s_bidi"]), {}),
    "prosody-stream-management": (prosody_tls(modules=["smacks"]), {}),
    "prosody-direct-tls": (prosody_tls(more="s2s_secure_auth = true\ns2s_direct_tls_ports = { 5270 }"), {},
                           {DOMAIN: ("_xmpps-server", 5270)}),
    "ejabberd-plain-dialback": (ejabberd(), PLAIN),
    "ejabberd-starttls-dialback": (ejabberd("optional", trusted=False), PLAIN),
    "ejabberd-starttls-external": (ejabberd("required"), {}),
    "jabberd2-plain-dialback": (jabberd2(), PLAIN),
    "jabberd2-starttls-dialback": (jabberd2(with_tls=True), {}),
}


@pytest.mark.parametrize("cell", CELLS)
def test_text_goes_both_ways(federation, cell):
    make, worker, *services = CELLS[cell]
    site = federation(make=make, worker=worker, services=services[0] if services else ()).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    answer = romeo.message(site.sip_uri(juliet), "Shall I hear more?")
    assert (answer.status, answer.reason) == (200, "Accepted")
    assert juliet.next_message().body == "Shall I hear more?"

    juliet.send(site.jid_at_host(romeo), "Romeo, Romeo")
    assert romeo.next_request().text == "Romeo, Romeo"

    # What jabberd2's session manager says of unknown users is the same condition.
    refused = romeo.message(site.sip_uri(f"nobody@{DOMAIN}"), "Anyone?")
    assert (refused.status, refused.reason) == (404, "Not found")


def test_two_workers_of_one_domain(federation):
    """What the other server opens lands on either of them, and so do answers."""
    site = federation(make=prosody(), worker=PLAIN)
    second = site.stox.another_worker("component-1@2")
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
