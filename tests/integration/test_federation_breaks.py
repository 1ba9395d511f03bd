"""Streams to other servers that break, cannot be made, are closed or get another certificate; and what is said of it."""
import pathlib
import signal
import socket
import ssl

import pytest

from support.federation import DISTRUST, DOMAIN, SERVERS, prosody_tls
from support.waiting import PATIENCE, eventually


@pytest.mark.parametrize("server", SERVERS)
def test_the_other_servers_cable_is_pulled(federation, server):
    """No FIN, no RST, nothing: noticed on its stream, and it comes back by itself."""
    make, how = SERVERS[server]
    site = federation(make=make, **how).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.text_goes_both_ways(romeo, juliet)

    site.hosts[1].unplug()
    lost = romeo.send("MESSAGE", site.sip_uri(juliet), "Are you there?")
    reason = eventually(lambda: (out := site.stream("out"))["state"] != "up" and out["reason"], "it is noticed", within=60)
    assert "does not answer" in reason or "timed out" in reason.lower()
    assert lost.answer(within=40).status == 504
    site.hosts[1].plug()
    eventually(lambda: romeo.message(site.sip_uri(juliet), "And now?", within=40).status == 200, "it is back", within=90)
    juliet.send(site.jid_at_host(romeo), "Here")
    assert romeo.next_request(within=90).text == "Here"


def test_a_new_certificate_is_shown_on_the_next_stream(federation):
    """HUP; the streams that there are go on."""
    site = federation(make=prosody_tls()).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.text_goes_both_ways(romeo, juliet)
    before = {s["direction"]: s["address"] for s in site.streams()}

    def shown():
        anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((site.host, site.port), PATIENCE) as plain, anyone.wrap_socket(plain) as stream:
            return stream.getpeercert(binary_form=True)

    old = shown()
    site.sign()
    site.stox.processes["component-1"].signal(signal.SIGHUP)
    new = eventually(lambda: (now := shown()) != old and now, "another certificate is shown")
    assert new == ssl.PEM_cert_to_DER_cert(pathlib.Path(site.files["certificate"]).read_text())

    site.text_goes_both_ways(romeo, juliet)
    assert {s["direction"]: s["address"] for s in site.streams()} == before

    # A file that is none changes nothing.
    pathlib.Path(site.files["key"]).write_text("no key")
    site.stox.processes["component-1"].signal(signal.SIGHUP)
    eventually(lambda: "the certificate stays as it was" in site.stox.log("component-1"), "the log says it")
    assert shown() == new

    assert site.stox.ctl("streams", "reconnect", DOMAIN).returncode == 0
    eventually(lambda: site.stream("out")["state"] == "up", "with the new one")
    assert site.stream("out")["authentication"] == "EXTERNAL"


def test_an_own_certificate_that_is_of_no_use_is_told(federation):
    site = federation().start()
    assert site.stox.ctl("status").returncode == 0
    for names, days, why in ((["DNS:other.test"], 2, '"CN = other.test" is not for xmpp-sip.test but for other.test'),
                             (["DNS:xmpp-sip.test"], -1, '"CN = xmpp-sip.test" has expired')):
        site.authority.sign(*names, stem="gateway", days=days)
        site.stox.processes["component-1"].signal(signal.SIGHUP)
        eventually(lambda: f"its certificate {why}: other servers fall back" in site.stox.ctl("status").stdout, "status says it")
        assert site.stox.state("component-1") == "ready"
    site.authority.sign("DNS:xmpp-sip.test", stem="gateway", days=3)
    site.stox.processes["component-1"].signal(signal.SIGHUP)
    eventually(lambda: '"CN = xmpp-sip.test" ends in 2 days: then other servers' in site.stox.ctl("status").stdout,
               "status warns in time")
    assert site.stox.ctl("status").returncode == 1
    site.sign()
    site.stox.processes["component-1"].signal(signal.SIGHUP)
    eventually(lambda: site.stox.ctl("status").returncode == 0, "all is well again")


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


def test_a_receipt_finds_back_after_a_restart_without_a_dialback_secret(federation):
    """What a server worker makes up for itself is the same in its next process."""
    site = federation(make=prosody_tls())
    del site.stox.configuration["xmpp_worker"][0]["dialback_secret"]
    site.stox.write()
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    me = f"sip:romeo@{romeo.host}:{romeo.port}"
    cpim = (f"From: <{me}>\r\nTo: <{site.sip_uri(juliet)}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\n"
            "imdn.Disposition-Notification: positive-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nHello")
    assert romeo.message(site.sip_uri(juliet), cpim, content_type="message/cpim", sender=me).status == 200
    message = juliet.next_message()
    site.stox.restart("component-1")
    site.stox.ready()
    juliet.send_raw(f"<message to='{message.sender}'><received xmlns='urn:xmpp:receipts' id='{message.id}'/></message>")
    assert "<message-id>m1</message-id>" in romeo.next_request().text
    secret = site.stox.folder / "state" / "server.secret"
    assert (secret.stat().st_mode & 0o777, len(secret.read_text())) == (0o600, 64)
