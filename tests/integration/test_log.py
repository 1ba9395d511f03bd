"""The log as JSON lines: what a collector of logs is given."""
import json

from support.stox import NAMES
from support.waiting import eventually

FIELDS = {"time", "level", "process", "trace", "text", "from", "to", "status", "reason"}


def lines(site, name):
    return [json.loads(line) for line in site.stox.log(name).splitlines()]


def test_every_line_is_an_object_and_refusals_say_what_would_allow_them(new_site):
    site = new_site(front={"from_domains": ["sip.test"], "max_datagram_bytes": 1500}, gateway={"xmpp_domains": ["xmpp.test"]},
                    log_level="info")
    site.stox.configuration["log"]["format"] = "json"
    site.stox.write()
    site.start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    def refused(name, reason):
        found = eventually(lambda: [line for line in lines(site, name) if line.get("reason") == reason], f"{name} logs {reason}")
        assert len(found) == 1
        return found[0]

    assert romeo.message(site.sip_uri(juliet), "hello").status == 200
    assert romeo.message("sip:ghost*nowhere.test@sip-xmpp.test", "hello").status == 403
    line = refused("mapper-1", "403")
    assert line["from"] == romeo.uri and line["to"] == "sip:ghost*nowhere.test@sip-xmpp.test" and "xmpp_domains" in line["text"]
    trace = line["trace"]
    line = refused("sip-1", "403")
    assert line["trace"] == trace and line["status"] == "403" and line["from"] == romeo.uri

    assert romeo.message(site.sip_uri(juliet), "x" * 1600).status == 513
    line = refused("sip-1", "size")
    assert line["status"] == "513" and "max_datagram_bytes = 1500" in line["text"]

    stranger = site.sip_user("mallory")
    stranger.uri = "sip:mallory@elsewhere.test"
    assert stranger.message(site.sip_uri(juliet), "hello").status == 403
    line = refused("sip-1", "from_domain")
    assert line["from"] == "sip:mallory@elsewhere.test" and "from_domains" in line["text"]

    juliet.send(site.jid("sip:nobody@no-such-host.test"), "hello")
    line = eventually(lambda: [one for one in lines(site, "component-1") if one.get("from", "").startswith("juliet@")], "it failed")[0]
    assert line["to"] and line["status"] and line["trace"]

    site.stox.stop()
    for name in NAMES:
        for line in lines(site, name):
            assert {"time", "level", "process", "trace", "text"} <= set(line) <= FIELDS and line["process"] == name
