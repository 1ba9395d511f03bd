"""A real Kamailio: registrar of one SIP domain, and the proxy between its users and the gateway; also its presence server."""
import shutil

from support import loopback
from support.child import Child
from support.template import fill


def _replace(text, old, new):
    assert text.count(old) == 1, f"kamailio.cfg.in has {old!r} {text.count(old)} times"
    return text.replace(old, new)


class Kamailio(Child):
    def __init__(self, folder, host, front, domain="sip.test", gateway_domain="sip-xmpp.test", password="pw",
                 challenge=None, authority=None, front_tls=None, presence=False, presence_expires=3600, imc=False):
        """front: "HOST:PORT" of the gateway's SIP front, front_tls: of its TLS listener. challenge: the algorithm by
        which the gateway must prove itself, too. authority: for a TLS listener (support.certificates.Authority).
        presence: "server": users publish here, and who watches them subscribes here; "phones": SUBSCRIBE goes to them;
        "refused": SUBSCRIBE gets 403. presence_expires: seconds that a SUBSCRIBE is good for, at most.
        imc: users whose name begins with "chat-" are its rooms, as doc/rooms.md shows it."""
        folder.mkdir()
        self.host, self.domain, self.password, self.front = host, domain, password, front
        self.port = loopback.free_port(host, 5060)
        self.address = (host, self.port)
        config = folder / "kamailio.cfg"
        text = fill("kamailio.cfg.in", ADDRESS=host, PORT=self.port, SIP_DOMAIN=domain,
                    GATEWAY_DOMAIN=gateway_domain, FRONT=front, PASSWORD=password)
        if challenge:
            text = _replace(text, 'modparam("auth", "nonce_expire", 300)',
                            f"""modparam("auth", "nonce_expire", 300)
modparam("auth", "qop", "auth")
modparam("auth", "algorithm", "{challenge}")""")
            text = _replace(text, f'  if ($fd != "{gateway_domain}") {{',
                            f"""  if ($fd == "{gateway_domain}") {{
    if (!pv_proxy_authenticate("{domain}", "{password}", "0")) {{
      proxy_challenge("{domain}", "1");
      exit;
    }}
    if ($au != "gateway") {{
      sl_send_reply("403", "Not the gateway");
      exit;
    }}
    consume_credentials();
  }} else {{""")
        if authority:
            self.tls_port = loopback.free_port(host, 5061)
            self.tls_address = (host, self.tls_port)
            certificate, key = authority.sign(f"IP:{host}", f"URI:sip:{domain}")
            text = _replace(text, "rev_dns=no\n", f"rev_dns=no\nenable_tls=yes\nlisten=tls:{host}:{self.tls_port}\n")
            text = _replace(text, 'loadmodule "auth.so"\n', f"""loadmodule "auth.so"
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{authority.ca}")
""")
            text = _replace(text, "    t_relay();\n    exit;\n  }\n  if ($rd !=",
                            f"""    if ($proto == "tls") $du = "sip:{front_tls};transport=tls";
    t_relay();
    exit;
  }}
  if ($rd !=""")
        if presence:
            text = self._with_presence(text, folder, presence, presence_expires)
        if imc:
            text = self._with_imc(text, folder)
        config.write_text(text)
        program = shutil.which("kamailio") or "/usr/sbin/kamailio"
        super().__init__("kamailio", [program, "-DD", "-E", "-f", config, "-Y", folder, "-P", folder / "pid",
                                      "-m", 32, "-M", 4], folder)

    def _with_imc(self, text, folder):
        """What a room says goes by this proxy itself, to users here and at the gateway."""
        tables = folder / "imc"
        tables.mkdir()
        for name in "version", "imc_rooms", "imc_members":
            shutil.copy(f"/usr/share/kamailio/dbtext/kamailio/{name}", tables)
        text = _replace(text, "\nrequest_route {\n", f"""
loadmodule "db_text.so"
loadmodule "imc.so"
modparam("imc", "db_url", "text://{tables}")
modparam("imc", "outbound_proxy", "sip:{self.host}:{self.port}")

request_route {{
""")
        text = _replace(text, "  # Nobody speaks for a user of ours", f"""  # Of the rooms themselves.
  if (is_method("MESSAGE") && $si == "{self.host}" && $sp == {self.port}) {{
    if ($rd != "{self.domain}") $du = "sip:FRONT";
    else if (!lookup("location")) exit;
    t_relay();
    exit;
  }}
  # Nobody speaks for a user of ours""".replace("FRONT", self.front))
        return _replace(text, '  if (!lookup("location")) {\n    sl_send_reply("404", "Not registered");', """  if (is_method("MESSAGE") && $rU =~ "^chat-") {
    if (imc_manager()) sl_send_reply("200", "OK");
    else sl_send_reply("500", "Command error");
    exit;
  }
  if (!lookup("location")) {
    sl_send_reply("404", "Not registered");""")

    def _with_presence(self, text, folder, presence, expires):
        """Kept in memory. Dialogs of SUBSCRIBE go by this proxy, and a contact that is a user's address (Linphone's) is looked up."""
        shutil.copytree("/usr/share/kamailio/dbtext/kamailio", folder / "db")
        text = _replace(text, "\nrequest_route {\n", f"""
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("presence|presence_xml", "db_url", "text://{folder}/db")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "max_expires", {expires})
modparam("presence", "server_address", "sip:{self.host}:{self.port}")
modparam("presence_xml", "force_active", 1)

request_route {{
""")
        text = _replace(text, "  # Nobody speaks for a user of ours", """  if (has_totag()) {
    loose_route();
    if (is_method("SUBSCRIBE") && uri == myself && $rU == "") {
      handle_subscribe();
      exit;
    }
    if ($rd == "DOMAIN" && !lookup("location")) {
      sl_send_reply("404", "Gone");
      exit;
    }
    t_relay();
    exit;
  }
  if (is_method("SUBSCRIBE")) record_route();

  # Nobody speaks for a user of ours""".replace("DOMAIN", self.domain))
        asked = {"server": 'if (is_method("SUBSCRIBE")) {\n    handle_subscribe();\n    exit;\n  }\n',
                 "refused": 'if (is_method("SUBSCRIBE")) {\n    sl_send_reply("403", "Not here");\n    exit;\n  }\n',
                 "phones": ""}[presence]
        return _replace(text, '  if (!lookup("location")) {\n    sl_send_reply("404", "Not registered");', f"""  if (is_method("PUBLISH")) {{
    handle_publish();
    exit;
  }}
  {asked}  if (!lookup("location")) {{
    sl_send_reply("404", "Not registered");""")

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.port), "listening")
        return self
