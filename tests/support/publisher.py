"""A device of a SIP user that publishes its state (RFC 3903), as PIDF with RPID."""

PIDF = """<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
 xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="{entity}"><tuple id="{id}"><status><basic>{basic}</basic></status>
 {note}</tuple>{person}</presence>"""


class Publisher:
    def __init__(self, user, id):
        """user: a support.sip_user.SipUser who is registered at the presence server."""
        self.user, self.id, self.tag = user, id, None

    def publish(self, basic="open", activity=None, note=None):
        person = f'<dm:person id="p"><rpid:activities><rpid:{activity}/></rpid:activities></dm:person>' if activity else ""
        self._publish(PIDF.format(entity=self.user.uri, id=self.id, basic=basic, person=person,
                                  note=f"<note>{note}</note>" if note else ""), 3600)

    def leave(self):
        self._publish("", 0)
        self.tag = None

    def _publish(self, body, expires):
        headers = [("Event", "presence"), ("Expires", expires)] + ([("SIP-If-Match", self.tag)] if self.tag else [])
        answer = self.user.through_proxy("PUBLISH", self.user.uri, body, headers=headers,
                                         content_type="application/pidf+xml" if body else None)
        assert answer.status == 200, answer
        self.tag = answer.get("sip-etag")
