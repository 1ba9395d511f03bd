"""stoxctl: what the operator and his scripts see."""
import json
import subprocess

import pytest

from support.stox import NAMES, PROGRAMS
from support.waiting import eventually


def test_status(site):
    processes = site.stox.ctl_json("status")["processes"]

    assert {p["name"]: (p["role"], p["state"]) for p in processes} == {
        "sip-1": ("sip_front", "ready"), "mapper-1": ("mapper", "ready"), "component-1": ("xmpp_worker", "ready")}
    for process in processes:
        assert process["pid"] == site.stox.processes[process["name"]].pid
        assert process["version"] and process["uptime_ms"] >= 0 and process["reason"] == ""
    table = site.stox.ctl("status")
    assert table.returncode == 0
    assert all(name in table.stdout for name in NAMES)


def test_a_process_that_is_not_there(new_site):
    site = new_site().start()
    site.stox.kill("mapper-1")

    status = site.stox.status()
    assert status["mapper-1"]["state"] == "unreachable" and status["mapper-1"]["reason"]
    assert site.stox.ctl("status").returncode in (1, 3)
    eventually(lambda: site.stox.state("sip-1") != "ready", "the front notices that there is no mapper")
    assert site.stox.ctl("wait-ready", "--timeout", 1).returncode == 1


@pytest.mark.parametrize("broken", ["[gateway\n", "[gateway]\nno_such_key = 1\n"])
def test_a_file_that_is_broken_hides_no_running_process(new_site, broken):
    site = new_site().start()
    site.stox.file.write_text(broken + f'[runtime]\ndirectory = "{site.stox.folder}/run"\n')
    done = site.stox.ctl("status", "--json")
    assert done.returncode == 1 and str(site.stox.file) in done.stderr and "goes on" in done.stderr
    assert {p["name"]: p["state"] for p in json.loads(done.stdout)["processes"]} == dict.fromkeys(NAMES, "ready")
    assert site.xmpp_server.secret not in (site.stox.folder / "run" / "component-1.config").read_text()
    queues = site.stox.ctl("queues")
    assert queues.returncode == 0 and "component-1" in queues.stdout


def test_a_mapper_that_has_lost_its_only_worker_says_so(new_site):
    site = new_site().start()
    site.stox.kill("component-1")

    def reason():
        return site.stox.status()["mapper-1"]["reason"]
    eventually(lambda: "no xmpp_worker is connected" in reason(), "the mapper misses it")
    assert site.stox.status()["mapper-1"]["state"] == "ready"
    site.stox.start("component-1")
    eventually(lambda: reason() == "", "it is back")


def test_reload_says_what_was_taken_and_what_waits(new_site):
    site = new_site().start()
    rows = site.stox.ctl_json("reload")["processes"]
    assert [row["process"] for row in rows] == list(NAMES)
    assert all((row["taken"], row["waiting"], row["error"]) == ([], [], "") for row in rows)

    site.stox.configuration["gateway"]["accept_status"] = 202
    site.stox.configuration["sip_front"][0]["max_in_flight"] = 17
    site.stox.write()
    rows = {row["process"]: row for row in site.stox.ctl_json("reload")["processes"]}
    assert all(row["taken"] == ["gateway.accept_status"] for row in rows.values())
    assert rows["sip-1"]["waiting"] == ["sip_front sip-1.max_in_flight"] and rows["mapper-1"]["waiting"] == []
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "hello").status == 202
    text = site.stox.ctl("reload")
    assert text.returncode == 0 and "waits for a restart" in text.stdout and "rolling-restart" in text.stdout


def test_status_is_shown_again_and_again(site):
    shown = site.stox.ctl("status", "--watch", "--every", 1, "--count", 2)
    assert shown.returncode == 0 and shown.stdout.count("component-1") >= 2 and "\x1b" not in shown.stdout
    lines = site.stox.ctl("--json", "status", "--watch", "--every", 1, "--count", 2).stdout.splitlines()
    assert [len(json.loads(line)["processes"]) for line in lines] == [3, 3]
    assert site.stox.ctl("status", "--count", 2).returncode == 2


def test_top_shows_rates(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    watching = subprocess.Popen([PROGRAMS / "stoxctl", "-f", site.stox.file, "--json", "top", "--every", "2", "--count", "2"],
                                stdout=subprocess.PIPE, text=True)
    while watching.poll() is None:
        assert romeo.message(site.sip_uri(juliet), "hello").status == 200
    first, second = (json.loads(line) for line in watching.stdout.read().splitlines())
    front = next(row for row in second["processes"] if row["name"] == "sip-1")
    assert front["messages_per_second"] > 0 and front["mean_ms"] > 0 and front["limit"] == 4096
    assert any(link["items_per_second"] > 0 for link in first["links"])
    shown = site.stox.ctl("top", "--every", 1, "--count", 1)
    assert shown.returncode == 0 and "MESSAGES/S" in shown.stdout and "component-1" in shown.stdout


def test_nothing_runs(new_site):
    site = new_site()
    assert site.stox.ctl("status").returncode == 3
    assert {p["state"] for p in site.stox.status().values()} == {"unreachable"}
    # "nothing was given up" would be more than anybody knows.
    for command in ["failed"], ["inflight"], ["streams"], ["peers"], ["trace", "x"]:
        said = site.stox.ctl(*command)
        assert (said.returncode, said.stdout) == (3, ""), command
        assert "not running" in said.stderr
    assert 'no process that answered knows "x"' in said.stderr


def test_usage(site):
    unknown = site.stox.ctl("steams")
    assert unknown.returncode == 2 and "no command" in unknown.stderr and "did you mean streams?" in unknown.stderr
    incomplete = site.stox.ctl("streams", "close")
    assert incomplete.returncode == 2 and "DOMAIN" in incomplete.stderr
    assert site.stox.ctl().returncode == 2
    assert site.stox.ctl("--help").returncode == 0
    assert subprocess.run([PROGRAMS / "stoxctl", "-f", "/nowhere", "status"], capture_output=True).returncode in (2, 78)


def test_queues(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "hello").status == 200

    queues = site.stox.ctl_json("queues")

    links = {(link["from"], link["to"]): link for link in queues["links"]}
    assert set(links) == {("sip-1", "mapper-1"), ("mapper-1", "sip-1"), ("component-1", "mapper-1"),
                          ("mapper-1", "component-1")}
    for link in links.values():
        assert set(link) >= {"sent", "received", "depth", "resent", "dropped", "oldest_age_ms"}
        assert link["sent"] >= link["received"] >= 1
        assert link["dropped"] == 0
    edges = {edge["process"]: edge for edge in queues["in_flight"]}
    assert set(edges) == {"sip-1", "component-1"}
    assert all(set(edge) >= {"count", "limit", "oldest_age_ms"} and edge["limit"] == 4096 for edge in edges.values())
    assert site.stox.ctl("queues").returncode == 0


def test_in_flight(new_site):
    site = new_site().start()
    romeo = site.sip_user("romeo")
    site.xmpp_server.freeze()
    sent = romeo.send("MESSAGE", "sip:juliet*xmpp.test@sip-xmpp.test", "hello")

    envelope = eventually(lambda: in_flight(site, "sip-1"), "the message is in flight")[0]
    assert {"id", "trace", "from", "to", "stage", "attempts", "age_ms"} <= set(envelope)
    assert envelope["attempts"] == 1
    assert "romeo" in envelope["from"] + envelope["to"] and "juliet" in envelope["from"] + envelope["to"]

    site.xmpp_server.thaw()
    assert sent.answer().status == 200
    eventually(lambda: not in_flight(site, "sip-1"), "nothing is in flight")


def in_flight(site, name):
    return site.stox.ctl_json("inflight", name)["in_flight"]


def hops(site, identifier):
    return site.stox.ctl_json("trace", identifier)["hops"]


def test_the_way_of_a_message_by_call_id(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "hello", call_id="way-1@sip.test").status == 200

    way = hops(site, "way-1@sip.test")

    assert [hop["process"] for hop in way] == ["sip-1", "mapper-1", "component-1"]
    assert len({hop["trace"] for hop in way}) == 1
    assert [hop["process"] for hop in hops(site, way[0]["trace"])] == ["sip-1", "mapper-1", "component-1"]
    assert "hello" not in site.stox.ctl("trace", "way-1@sip.test").stdout


def test_the_way_of_a_message_by_stanza_id(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    juliet.send(site.jid_at_host(romeo), "hello", id="way-2")
    romeo.next_request()

    way = eventually(lambda: hops(site, "way-2"), "the hops are there")
    assert [hop["process"] for hop in way] == ["component-1", "mapper-1", "sip-1"]


def test_the_messages_and_how_they_ended(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "hello", call_id="ended-1@sip.test").status == 200
    assert romeo.message("sip:ghost*xmpp.test@sip-xmpp.test", "hello", call_id="ended-2@sip.test").status == 404
    juliet.send(site.jid_at_host(romeo), "hello", id="ended-3")
    romeo.next_request()

    def listed(*which):
        return {row["message_id"]: row for row in site.stox.ctl_json("messages", *which)["messages"]
                if row["message_id"].startswith("ended-")}

    eventually(lambda: {name: row["ending"] for name, row in listed().items()} ==
               {"ended-1@sip.test": "delivered", "ended-2@sip.test": "refused", "ended-3": "delivered"},
               "each has ended")
    assert set(listed("--failed")) == set(listed("--user", "ghost@xmpp.test")) == {"ended-2@sip.test"}
    assert set(listed("--domain", "xmpp.test")) == {"ended-1@sip.test", "ended-2@sip.test", "ended-3"}
    assert set(listed("--last", 1)) == {"ended-3"}
    ghost = listed()["ended-2@sip.test"]
    assert "404" in ghost["outcome"] and ghost["ended_us"] >= ghost["came_us"]
    short = ghost["trace"][:8]
    table = site.stox.ctl("messages").stdout
    assert short in table and "hello" not in table
    assert [hop["process"] for hop in hops(site, short)] == ["sip-1", "mapper-1", "component-1"]

    failed = site.stox.ctl_json("failed")
    assert failed["failed"] == [] and "ended-2@sip.test" in [row["message_id"] for row in failed["refused"]]
    said = site.stox.ctl("failed").stdout
    assert "gave up nothing" in said and "the other side" in said and short in said


def test_a_message_that_nobody_knows(site):
    done = site.stox.ctl("trace", "no-such-message")
    assert done.returncode == 1
    assert "no-such-message" in done.stdout + done.stderr


def test_send_from_sip(site):
    juliet = site.xmpp_user("juliet")
    done = site.stox.ctl("send", "--from", "sip:operator@sip.test", "--to", site.sip_uri(juliet), "testing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert juliet.next_message().body == "testing"
    assert all(name in done.stdout for name in NAMES)


def test_send_from_xmpp(site):
    romeo = site.sip_user("romeo")
    said = site.stox.ctl_json("send", "--from", "operator@xmpp.test", "--to", site.jid_at_host(romeo), "testing")
    assert said["ok"] is True and said["trace"]
    assert romeo.next_request().text == "testing"


@pytest.mark.parametrize("sender, to", [("sip:operator@sip.test", "sip:nobody*xmpp.test@sip-xmpp.test"),
                                        ("operator@xmpp.test", "no-separator@xmpp-sip.test")])
def test_send_tells_what_failed(site, sender, to):
    done = site.stox.ctl("send", "--from", sender, "--to", to, "testing")
    assert done.returncode == 1
    assert done.stdout + done.stderr


def test_what_the_sip_side_does(site):
    romeo, juliet = site.sip_user("romeo", "tcp"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "x").status == 200
    assert romeo.request("DANCE", "sip:sip-xmpp.test").status == 501

    front = next(f for f in site.stox.ctl_json("sip")["fronts"] if f["name"] == "sip-1")
    assert {listener["name"].partition(":")[0] for listener in front["listeners"]} == {"udp", "tcp"}
    assert any(c["peer"].startswith(romeo.host + ":") and c["trusted"] and c["opened_by"] == "peer"
               for c in front["connections"])
    assert front["refused"]["method"] >= 1
    assert front["server_transactions_waiting"] == 0
    text = site.stox.ctl("sip")
    assert text.returncode == 0 and "refused: method" in text.stdout and romeo.host in text.stdout
