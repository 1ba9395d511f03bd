"""The gateway speaks to other servers by itself: text both ways with each of them, in each way that it can."""
import pytest

from support.authority import Authority
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
    "ejabberd-plain-dialback": (ejabberd(), PLAIN),
    "ejabberd-starttls-dialback": (ejabberd("optional", trusted=False), PLAIN),
    "ejabberd-starttls-external": (ejabberd("required"), {}),
    "jabberd2-plain-dialback": (jabberd2(), PLAIN),
    "jabberd2-starttls-dialback": (jabberd2(with_tls=True), {}),
}


@pytest.mark.parametrize("cell", CELLS)
def test_text_goes_both_ways(federation, cell):
    make, worker = CELLS[cell]
    site = federation(make=make, worker=worker).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    answer = romeo.message(site.sip_uri(juliet), "Shall I hear more?")
    assert (answer.status, answer.reason) == (200, "Accepted")
    assert juliet.next_message().body == "Shall I hear more?"

    juliet.send(site.jid_at_host(romeo), "Romeo, Romeo")
    assert romeo.next_request().text == "Romeo, Romeo"

    # What jabberd2's session manager says of unknown users is the same condition.
    refused = romeo.message(site.sip_uri(f"nobody@{DOMAIN}"), "Anyone?")
    assert (refused.status, refused.reason) == (404, "Not found")
