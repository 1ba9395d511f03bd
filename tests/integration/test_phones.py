"""Real user agents write to XMPP users and get their answers: baresip and linphonec, registered at Kamailio, and baresip
and sofia-sip with nothing between them and the gateway."""
import pytest

from support import loopback
from support.phone import Baresip, Linphone, Sofia

SITE = {"with_proxy": True, "with_tls": True}


def talk(romeo, name, juliet):
    romeo.say("Grüß Gott, Юлия ☕")
    message = juliet.next_message()
    assert (message.body, message.sender) == ("Grüß Gott, Юлия ☕", f"{name}*sip.test@xmpp-sip.test")

    juliet.send(message.sender, "Ebenfalls, Ромео 𝄞")
    romeo.shows("Ebenfalls, Ромео 𝄞")
    assert juliet.nothing_came()  # it was answered 200


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("phone", [Baresip, Linphone])
def test_text_both_ways(site, tmp_path, phone, transport):
    juliet = site.xmpp_user("juliet")
    name = f"{phone.__name__.lower()}-{transport}"
    romeo = phone(tmp_path / name, loopback.address(210), site.kamailio, name, site.sip_uri(juliet), transport,
                  site.authority).start()

    talk(romeo, name, juliet)
    romeo.kill()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_text_both_ways_without_a_proxy(site, tmp_path, transport):
    juliet = site.xmpp_user("juliet")
    romeo = Baresip(tmp_path / "romeo", loopback.address(211), site.stox, "romeo", site.sip_uri(juliet), transport,
                    site.authority, domain="sip.test").start()
    proxy = site.stox.configuration["gateway"]["outbound_proxy"]
    port = romeo.tls_port if transport == "tls" else romeo.port
    site.stox.send_all_to(f"sip:{romeo.host}:{port};transport={transport}")

    talk(romeo, "romeo", juliet)
    romeo.kill()
    site.stox.send_all_to(proxy)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_text_both_ways_with_sofia_sip(site, tmp_path, transport):
    juliet = site.xmpp_user("juliet")
    romeo = Sofia(tmp_path / "romeo", loopback.address(212), site.stox, "romeo", site.sip_uri(juliet),
                  transport).start()
    proxy = site.stox.configuration["gateway"]["outbound_proxy"]
    site.stox.send_all_to(f"sip:{romeo.host}:{romeo.port};transport={transport}")

    talk(romeo, "romeo", juliet)
    romeo.shows("answered 200")
    romeo.kill()
    site.stox.send_all_to(proxy)


def test_what_an_xmpp_user_is_told_was_received_stands_on_the_screen(new_site, tmp_path):
    """Linphone answers 200 to whatever has a Call-ID that it knows, and shows the first alone."""
    site = new_site(with_proxy=True, gateway={"receipt_on_200": True, "long_messages": "split"}).start()
    juliet = site.xmpp_user("juliet")
    romeo = Linphone(tmp_path / "romeo", loopback.address(213), site.kamailio, "romeo", site.sip_uri(juliet)).start()
    long = " ".join(f"word{n};" for n in range(400))
    for number, text in enumerate(["one of a thread", "another of it", long, "the last of it"]):
        juliet.send_raw(f"<message to='romeo*sip.test@xmpp-sip.test' type='chat' id='m{number}'><thread>t</thread>"
                        f"<body>{text}</body><request xmlns='urn:xmpp:receipts'/></message>")
        assert juliet.next_message().child("received", "urn:xmpp:receipts").get("id") == f"m{number}"
    for text in ["one of a thread", "another of it", *long.split(), "the last of it"]:
        romeo.shows(text)
    assert juliet.nothing_came()
    romeo.kill()


def test_linphone_tells_an_xmpp_user_what_it_got(new_site, tmp_path):
    """Unasked, of plain texts: it names them by their Call-ID. Of a long text the last part counts."""
    site = new_site(with_proxy=True, gateway={"long_messages": "split"}).start()
    juliet = site.xmpp_user("juliet")
    romeo = Linphone(tmp_path / "romeo", loopback.address(213), site.kamailio, "romeo", site.sip_uri(juliet)).start()
    for number, text in enumerate(["short", " ".join(f"word{n};" for n in range(400))]):
        juliet.send_raw(f"<message to='romeo*sip.test@xmpp-sip.test' type='chat' id='m{number}'><thread>t</thread>"
                        f"<body>{text}</body><request xmlns='urn:xmpp:receipts'/></message>")
        told = juliet.next_message()
        assert told.child("received", "urn:xmpp:receipts").get("id") == f"m{number}"
        romeo.shows(text.split()[-1])
    assert juliet.nothing_came()
    romeo.kill()
