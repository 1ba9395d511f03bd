"""A real Kamailio: registrar of one SIP domain, and the proxy between its users and the gateway."""
import shutil

from support import loopback
from support.child import Child
from support.template import fill


def _replace(text, old, new):
    assert text.count(old) == 1, f"kamailio.cfg.in has {old!r} {text.count(old)} times"
    return text.replace(old, new)


class Kamailio(Child):
    def __init__(self, folder, host, front, domain="sip.test", gateway_domain="sip-xmpp.test", password="pw",
                 challenge=None, authority=None, front_tls=None):
        """front: "HOST:PORT" of the gateway's SIP front, front_tls: of its TLS listener. challenge: the algorithm by
        which the gateway must prove itself, too. authority: for a TLS listener (support.certificates.Authority)."""
        folder.mkdir()
        self.host, self.domain, self.password = host, domain, password
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
        config.write_text(text)
        program = shutil.which("kamailio") or "/usr/sbin/kamailio"
        super().__init__("kamailio", [program, "-DD", "-E", "-f", config, "-Y", folder, "-P", folder / "pid",
                                      "-m", 32, "-M", 4], folder)

    def start(self):
        super().start()
        self.wait_until(lambda: loopback.accepts(self.host, self.port), "listening")
        return self
