"""The ways on which servers find each other: SRV of either service, IPv6, IPv4 when that fails, what is configured."""
import pytest

from support.federation import DOMAIN, SERVERS, ejabberd, prosody_tls
from support.stox import XMPP_DOMAIN


@pytest.mark.parametrize("server, usage", [(prosody_tls(), "serverAuth"), (ejabberd("required"), "serverAuth,clientAuth")],
                         ids=["prosody", "ejabberd"])
def test_they_come_by_direct_tls(federation, server, usage):
    """DNS has no other way to the gateway."""
    site = federation(make=server, usage=usage, services={XMPP_DOMAIN: [("_xmpps-server", 5269)]}).start()
    site.text_goes_both_ways(site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert site.stream("in")["tls"].startswith("TLSv1.3")



@pytest.mark.parametrize("server", SERVERS)
def test_over_ipv6(federation, server):
    """DNS knows no other addresses, of neither side."""
    make, how = SERVERS[server]
    site = federation(make=make, family="v6", **how).start()
    site.text_goes_both_ways(site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert {site.stream(way)["address"].partition("]")[0] for way in ("out", "in")} == {"[" + site.hosts[1].address6}


@pytest.mark.parametrize("server", SERVERS)
def test_over_ipv4_when_ipv6_leads_nowhere(federation, server):
    """The other listens at all addresses; that of version 6 in DNS is nobody's."""
    make, how = SERVERS[server]
    site = federation(make=make, family="both", records=lambda site, _: {
        XMPP_DOMAIN: (site.host, 5269), DOMAIN: (f"{site.peer_host},fd77::beef", 5269)}, **how).start()
    site.text_goes_both_ways(site.sip_user("romeo"), site.xmpp_user("juliet"))
    assert {site.stream(way)["address"].rpartition(":")[0] for way in ("out", "in")} == {site.peer_host}


def test_an_ipv6_address_in_the_configuration(federation):
    site = federation(make=prosody_tls(), family="v6", records=lambda site, _: {XMPP_DOMAIN: (site.hosts[0].address6, 5269)})
    site.stox.configuration["dns"] = {"static": {DOMAIN: f"[{site.hosts[1].address6}]:5269"}}
    site.stox.configuration["xmpp_worker"][0]["xmpp_host"] = site.hosts[0].address6
    site.stox.write()
    site.start()
    assert site.sip_user("romeo").message(site.sip_uri(f"juliet@{DOMAIN}"), "Hello").status == 200
