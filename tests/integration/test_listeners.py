"""Each listener has its own answer to who may send: by address, or by the certificate of a TLS client."""
import pytest

from support import loopback
from support.sip_user import SipUser

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"


class Certified:
    """An authority whose clients show a certificate of this name."""

    def __init__(self, authority, name):
        self._authority, self._name = authority, name

    def client(self):
        context = self._authority.client()
        context.load_cert_chain(*map(str, self._authority.sign(self._name)))
        return context

    def server(self, *names):
        return self._authority.server(*names)


@pytest.fixture
def site(new_site):
    """One that trusts everybody who is near, and behind its TLS listener only partner.test."""
    site = new_site(with_tls=True)
    front = site.stox.configuration["sip_front"][0]
    front["listener"] = [{"listen": front["listen"][-1], "trusted": [], "trusted_certificates": ["partner.test"]}]
    site.stox.write()
    return site.start()


def by_tls(site, number, authority):
    user = SipUser(loopback.address(number), "sip:romeo@sip.test", site.stox.tls_address, "tls", authority=authority)
    site.users.append(user)
    return user


def test_a_listener_trusts_certificates_and_the_rest_addresses(site):
    near = [site.sip_user("romeo", transport) for transport in ("udp", "tcp")]
    partner = by_tls(site, 211, Certified(site.authority, "DNS:partner.test"))
    other = by_tls(site, 212, Certified(site.authority, "DNS:other.test"))
    nobody = by_tls(site, 213, site.authority)

    assert [user.message(JULIET, "Hello").status for user in near] == [200, 200]
    assert partner.message(JULIET, "Hello").status == 200
    assert other.message(JULIET, "Hello").status == 403
    assert nobody.message(JULIET, "Hello").status == 403
    assert site.stox.ctl_json("sip")["fronts"][0]["refused"]["untrusted"] == 2


def test_trust_in_a_certificate_ends_with_hup_on_connections_that_stand(site):
    partner = by_tls(site, 214, Certified(site.authority, "DNS:partner.test"))
    assert partner.message(JULIET, "Hello").status == 200

    site.stox.configuration["sip_front"][0]["listener"][0]["trusted_certificates"] = ["another.test"]
    site.stox.write()
    site.stox.read_again()
    assert partner.message(JULIET, "Hello again").status == 403
