"""SIP users who subscribe to XMPP users: what they are told, and that a restart of the front costs nothing of it."""
import re

from support.stox import GATEWAY_DOMAIN


class Watcher:
    """A phone that subscribes to an XMPP user."""

    def __init__(self, phone, uri):
        self.phone, self.uri, self.tag, self.answer, self.cseq = phone, uri, f"{phone.uri[4:8]}s", None, 0

    def subscribe(self, expires=600):
        """The first time, or within the dialog."""
        self.cseq += 1
        headers = [("Contact", f"<{self.phone.contact}>"), ("Event", "presence"), ("Expires", expires),
                   ("Accept", "application/pidf+xml")]
        to, how = self.uri, {}
        if self.answer:
            to = self.answer.get("contact").strip("<>")
            how = {"call_id": self.answer.get("call-id")}
            headers.append(("To", self.answer.get("to")))
        request = self.phone.make("SUBSCRIBE", to, "", content_type=None, headers=headers, tag=self.tag, cseq=self.cseq,
                                  **how)
        answer = self.phone.send_request(request).answer()
        self.answer = self.answer or answer
        return answer

    def told(self):
        """The next NOTIFY: its state, "open" or "closed" if it says so, and what the user does."""
        notify = self.phone.next_request()
        assert notify.method == "NOTIFY" and notify.get("event") == "presence", notify
        assert notify.get("contact") and notify.get("call-id") == self.answer.get("call-id")
        state = re.sub(";expires=.*", "", notify.get("subscription-state"))
        said = re.findall("<basic>(open|closed)<|<rpid:(away|busy)/>", notify.text)
        return " ".join([state, *dict.fromkeys("".join(one) for one in said)])

    def until(self, wanted):
        while self.told() != wanted:
            pass


def test_a_phone_sees_an_xmpp_user(new_site):
    site = new_site(gateway={"presence": True}).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    watcher = Watcher(romeo, site.sip_uri(juliet))
    answer = watcher.subscribe()
    assert (answer.status, answer.get("expires")) == (200, "600")
    assert watcher.told() == "pending"
    juliet.asked_by(site.jid(romeo))
    juliet.say_presence(to=site.jid(romeo), type="subscribed")
    watcher.until("active open")
    [pair] = [one for one in site.stox.ctl_json("presence", "--user", juliet.bare)["presence"] if one["kind"] == "watcher"]
    assert (pair["from"], pair["state"], pair["process"]) == (romeo.uri, "approved", "sip-1")
    assert pair["since_us"] < pair["expires_us"]
    assert romeo.uri in site.stox.ctl("presence").stdout
    assert site.stox.ctl_json("presence", "--user", "nurse@xmpp.test")["presence"] == []
    juliet.send_raw("<presence><show>dnd</show></presence>")
    assert watcher.told() == "active open busy"

    site.stox.kill("sip-1")
    juliet.send_raw("<presence><show>away</show></presence>")
    site.stox.start("sip-1")
    site.stox.ready()
    watcher.until("active open away")
    assert watcher.subscribe().status == 200
    assert watcher.told() == "active open away"
    juliet.close()
    site.users.remove(juliet)
    watcher.until("active closed")

    juliet = site.xmpp_user("juliet")
    watcher.until("active open")
    juliet.send_raw(f"<presence type='unsubscribed' to='{site.jid(romeo)}'/>")
    watcher.until("terminated;reason=rejected")
    [pair] = [one for one in site.stox.ctl_json("presence", "--user", romeo.uri)["presence"] if one["kind"] == "watcher"]
    assert pair["state"] == "refused"
    assert site.stox.ctl_json("presence", "forget", juliet.bare)["forgotten"] >= 1
    assert site.stox.ctl_json("presence")["presence"] == []
    assert watcher.subscribe().status == 481


def test_nobody_is_watched_who_is_not_there(new_site):
    site = new_site(gateway={"presence": True}).start()
    romeo = site.sip_user("romeo")
    for uri, status in (f"sip:juliet*x.test@{GATEWAY_DOMAIN}x", 404), (f"sip:{GATEWAY_DOMAIN}", 404):
        assert Watcher(romeo, uri).subscribe().status == status
