"""TLS on the SIP side: as server, as client, through Kamailio, with certificates that are right and wrong."""
import ssl
import socket

import pytest

from support import loopback
from support.sip_user import SipUser
from support.waiting import eventually

SITE = {"with_tls": True}


def tls_uri(user):
    return f"sip:{user.host}:{user.port};transport=tls"


def test_a_sip_user_writes_over_tls(site):
    romeo, juliet = site.sip_user("romeo", "tls"), site.xmpp_user("juliet")
    answer = romeo.message(site.sip_uri(juliet), "Grüße ☕")
    assert (answer.status, answer.reason) == (200, "Accepted")
    assert juliet.next_message().body == "Grüße ☕"
    listed = {peer["name"]: peer for peer in site.stox.status()["sip-1"]["peers"]}
    assert listed["tls connections"]["opened_by_peer"] == 1
    assert listed[f"tls:{site.stox.host}:{site.stox.tls_port}"]["kind"] == "listener"


def test_the_gateway_writes_over_tls(site):
    romeo, juliet = site.sip_user("romeo", "tls"), site.xmpp_user("juliet")
    site.stox.send_all_to(tls_uri(romeo))
    for text in "one", "zwei ü", "three":
        juliet.send("romeo*sip.test@xmpp-sip.test", text)
        request = romeo.next_request()
        assert request.text == text
        assert request.get("via").startswith("SIP/2.0/TLS ")
    assert juliet.nothing_came()
    listed = {peer["name"]: peer for peer in site.stox.status()["sip-1"]["peers"]}
    assert listed["tls connections"]["opened_by_us"] == 1


def test_a_peer_with_the_wrong_name_gets_nothing_and_is_named(site):
    juliet = site.xmpp_user("juliet")
    other = SipUser(loopback.address(200), "sip:romeo@sip.test", transport="tls", authority=_Named(site, "DNS:other.test"))
    site.users.append(other)
    site.stox.send_all_to(tls_uri(other))
    juliet.send("romeo*sip.test@xmpp-sip.test", "secret")
    assert juliet.next_message().type == "error"
    shown = site.stox.ctl("status").stdout
    assert f"is for other.test, not for {other.host}" in shown, shown
    assert other.inbox.empty()


class _Named:
    """An authority that gives everybody the same name."""

    def __init__(self, site, name):
        self.site, self.name = site, name

    def client(self):
        return self.site.authority.client()

    def server(self, *_):
        return self.site.authority.server(self.name)


def _serial(site):
    """Of the certificate that the gateway shows now."""
    with socket.create_connection(site.stox.tls_address) as plain:
        with site.authority.client().wrap_socket(plain) as connection:
            return connection.getpeercert()["serialNumber"]


def test_a_new_certificate_comes_with_hup_and_a_bad_one_changes_nothing(site):
    first = _serial(site)
    site.stox.use_certificate(site.authority, f"IP:{site.stox.host}")
    site.stox.send_all_to("sip:127.0.0.1:9")
    second = eventually(lambda: _serial(site) != first and _serial(site), "the new certificate is shown")

    good = dict(site.stox.configuration["sip_front"][0]["tls"])
    site.stox.configuration["sip_front"][0]["tls"]["certificate"] = "/nonexistent.pem"
    site.stox.send_all_to("sip:127.0.0.1:9")
    eventually(lambda: "/nonexistent.pem: No such file or directory; the old certificates stay" in site.stox.log("sip-1"),
               "the log says what is wrong")
    assert _serial(site) == second
    site.stox.configuration["sip_front"][0]["tls"] = good
    site.stox.write()


def test_who_speaks_no_tls_is_told_in_the_status(site):
    with socket.create_connection(site.stox.tls_address) as plain:
        plain.sendall(b"OPTIONS sip:sip-xmpp.test SIP/2.0\r\n\r\n")
        while plain.recv(4096):
            pass
    assert "no TLS from 127." in eventually(
        lambda: "no TLS from" in (text := site.stox.ctl("status").stdout) and text, "the status tells of it")


def test_tls_to_a_tcp_address_is_named(site):
    """As a proxy does that sends a TLS phone's messages on."""
    with socket.create_connection(site.stox.address) as plain, pytest.raises(OSError):
        site.authority.client().wrap_socket(plain)
    host, port = site.stox.address
    named = f"it speaks TLS to tcp:{host}:{port}, where TCP alone is spoken"
    for command in "status", "sip":
        eventually(lambda: named in site.stox.ctl(command).stdout, f"stoxctl {command} names it")
    assert named in site.stox.log("sip-1")


@pytest.mark.filterwarnings("ignore:.*TLSv1_1")
def test_old_protocols_are_refused(site):
    context = site.authority.client()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(site.stox.tls_address) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


def test_a_listener_without_its_certificate_says_so_and_does_not_start(new_site):
    site = new_site(with_tls=True)
    site.stox.configuration["sip_front"][0]["tls"]["key"] = str(site.authority.sign("DNS:other.test")[1])
    site.stox.write()
    front = site.stox.processes["sip-1"].start()
    eventually(lambda: not front.running(), "the front gives up")
    assert "[sip_front.tls]" in front.log()
    assert "is it the key of" in front.log()
    front.stop()
