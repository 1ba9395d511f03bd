"""A phone that subscribes to an XMPP user, as its SIP messages."""
import re


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
