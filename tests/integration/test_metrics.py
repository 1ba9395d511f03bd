"""What Prometheus gets, and what deploy/prometheus and deploy/grafana make of it."""
import json
import re
import shutil
import subprocess
import urllib.request

import pytest

from support import loopback
from support.site import Site
from support.stox import REPOSITORY
from support.waiting import eventually

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool (package prometheus) is not there")
RULES = REPOSITORY / "deploy" / "prometheus"


def promtool(*words, **how):
    return subprocess.run([PROMTOOL, *map(str, words)], capture_output=True, text=True, timeout=120, **how)


def scraped(section):
    with urllib.request.urlopen(f"http://{section['metrics']}/metrics", timeout=10) as answer:
        return answer.read().decode()


def families(text):
    return set(re.findall(r"^# TYPE (\S+)", text, re.M))


@pytest.fixture(scope="module")
def texts():
    """Of each process, after messages with every kind of end."""
    site = Site(with_tls=True, gateway={"presence": True})
    sections = [site.stox.configuration[role][0] for role in ("sip_front", "mapper", "xmpp_worker")]
    for section in sections:
        section["metrics"] = f"{site.stox.host}:{loopback.free_port(site.stox.host)}"
    site.stox.write()
    try:
        site.start()
        romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
        assert romeo.message(site.sip_uri(juliet), "hello").status == 200
        assert romeo.message("sip:ghost*xmpp.test@sip-xmpp.test", "hello").status == 404
        juliet.send(site.jid_at_host(romeo), "hello")
        romeo.next_request()
        assert romeo.request("DANCE", "sip:sip-xmpp.test").status == 501
        eventually(lambda: 'ending="delivered"} 1' in scraped(sections[2]), "the message to SIP has ended")
        yield {section["name"]: scraped(section) for section in sections}
    finally:
        site.stop()


def test_messages_by_how_they_ended(texts):
    front, worker = texts["sip-1"], texts["component-1"]
    labels = 'name="sip-1",role="sip_front",direction="to_xmpp"'
    assert f'stox_message_duration_seconds_count{{{labels},ending="delivered"}} 1' in front
    assert f'stox_message_duration_seconds_bucket{{{labels},ending="delivered",le="+Inf"}} 1' in front
    assert f'stox_message_failures_total{{{labels},ending="refused",reason="404"}} 1' in front
    assert 'direction="to_sip",ending="delivered"} 1' in worker
    assert 'stox_link_up{name="sip-1",role="sip_front",peer="mapper-1"} 1' in front
    assert 'stox_messages_in_flight_limit{name="sip-1",role="sip_front"} 4096' in front
    assert 'stox_config_last_reload_successful{name="sip-1",role="sip_front"} 1' in front
    assert "stox_certificate_expiry_timestamp_seconds" in front


@needs_promtool
def test_promtool_has_nothing_to_say(texts):
    for name, text in texts.items():
        checked = promtool("check", "metrics", input=text)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), name


@needs_promtool
def test_the_alerts_are_what_they_say():
    checked = promtool("check", "rules", RULES / "stox.rules.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", RULES / "stox.rules.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_its_test_and_its_paragraph():
    rules = (RULES / "stox.rules.yml").read_text()
    tests = (RULES / "stox.rules.test.yml").read_text()
    headings = set(re.findall(r"^## (.*)$", (REPOSITORY / "doc" / "operating.md").read_text(), re.M))
    alerts = re.findall(r"- alert: (\S+)", rules)
    assert len(alerts) > 8
    assert [name for name in alerts if f"alertname: {name}" not in tests] == []
    paragraphs = re.findall(r'description: "doc/operating.md: (.*)"', rules)
    assert len(paragraphs) == len(alerts) and set(paragraphs) <= headings, set(paragraphs) - headings


def test_alerts_and_dashboard_use_what_there_is(texts):
    there = set().union(*map(families, texts.values())) | {"up"}
    dashboard = json.loads((REPOSITORY / "deploy" / "grafana" / "stox.json").read_text())
    used = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    used += " ".join([" "] + re.findall(r"expr:(.*?)(?:for|labels):", (RULES / "stox.rules.yml").read_text(), re.S))
    names = {re.sub("_(bucket|count|sum)$", "", name) if "duration" in name else name
             for name in re.findall(r"\b(?:stox|process)_[a-z_]+", used)}
    assert len(names) > 10 and names <= there, names - there
