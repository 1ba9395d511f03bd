"""stoxctl import: a site moves from another server's xmpp module to stox by what it prints."""
import json
import pathlib
import subprocess

from support.stox import PROGRAMS

# A server for the gateway alone, as the module's documents have it.
STANDALONE = """
debug=3
fork=yes
listen=udp:{address}
alias="sip-xmpp.test"
mpath="/usr/lib/openser/modules/"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "maxfwd.so"
loadmodule "xmpp.so"
modparam("xmpp", "domain_separator", "*")
modparam("xmpp", "gateway_domain", "sip-xmpp.test")
modparam("xmpp", "xmpp_domain", "{component}")
modparam("xmpp", "xmpp_host", "{xmpp_host}")
modparam("xmpp", "xmpp_port", {xmpp_port})
modparam("xmpp", "xmpp_password", "{secret}")
modparam("xmpp", "backend", "component")
modparam("xmpp", "outbound_proxy", "{proxy}")
route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (msg:len >= 2048) {{ sl_send_reply("513", "Message too big"); exit; }}
    if (!t_newtran()) {{ sl_reply_error(); return; }}
    if (method == "MESSAGE") {{
        if (xmpp_send_message()) {{ t_reply("200", "Accepted"); }} else {{ t_reply("404", "Not found"); }}
        return;
    }}
    t_reply("503", "Service unavailable");
}}
"""


def imported(file, *options):
    return subprocess.run([PROGRAMS / "stoxctl", *options, "import", file], capture_output=True, text=True, timeout=60)


def test_a_site_moves_by_what_import_prints(new_site, tmp_path):
    site = new_site()
    old = site.stox.configuration
    romeo = site.sip_user("romeo")
    worker = old["xmpp_worker"][0]
    openser = tmp_path / "openser.cfg"
    openser.write_text(STANDALONE.format(
        address=f"{site.stox.host}:{site.stox.port}", component=old["gateway"]["xmpp_domain"],
        xmpp_host=worker["xmpp_host"], xmpp_port=worker["xmpp_port"], secret=worker["xmpp_password"],
        proxy=f"sip:{romeo.host}:{romeo.port}"))
    done = imported(openser)
    assert done.returncode == 0, done.stderr
    assert "Missing" not in done.stderr and "stop that process" in done.stderr
    runtime = old["runtime"]
    site.stox.file.write_text(done.stdout + "\n[runtime]\n" + "".join(
        f'{key} = {json.dumps(value)}\n' for key, value in runtime.items()))
    site.stox.write = lambda: None  # as it is
    site.start()

    juliet = site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "Hello").status == 200
    assert juliet.next_message().body == "Hello"
    assert romeo.request("INFO", site.sip_uri(juliet)).status == 503
    juliet.send(site.jid_at_host(romeo), "Hello back")
    assert romeo.next_request().text == "Hello back"


def test_kamailios_own_configuration_with_the_module(tmp_path):
    """The configuration that Kamailio's package installs, with the gateway in it: all of it is read."""
    stock = pathlib.Path("/etc/kamailio/kamailio.cfg").read_text()
    config = tmp_path / "kamailio.cfg"
    config.write_text(stock.replace('loadmodule "tm.so"', """loadmodule "xmpp.so"
modparam("xmpp", "gateway_domain", "gw.example.org")
modparam("xmpp", "xmpp_domain", "x.example.org")
modparam("xmpp", "xmpp_password", "s3cret")
listen=udp:192.0.2.1:5060
loadmodule "tm.so" """, 1) + """
route[XMPP] {
    if ($rd == "gw.example.org" && is_method("MESSAGE")) {
        if (xmpp_send_message()) { t_reply("202", "Accepted"); }
        exit;
    }
}
""")
    done = imported(config, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0, said["missing"]
    assert 'outbound_proxy = "sip:192.0.2.1:5060;transport=udp"' in said["config"]
    assert "accept_status = 202" in said["config"]
    assert any("instead of xmpp_send_message()" in one["what"] and one["where"].startswith(str(config))
               for one in said["proxy"])
    assert imported("/etc/kamailio/kamailio.cfg").returncode == 2
    assert imported(tmp_path / "nothing.cfg").returncode == 2
