"""stoxctl web: what an operator sees in the browser, and whom it is shown to."""
import copy
import http.client
import json
import os
import pathlib
import re
import threading

import pytest

from support import loopback
from support.browser import Browser
from support.child import Child
from support.stox import PROGRAMS
from support.waiting import eventually

HOSTILE = '<img src=x onerror="document.title=1">'  # what a stranger would like to have in the page

SITE = {"workers": 2, "gateway": {"xmpp_domains": ["xmpp.test"]}}


class Web:
    """A running stoxctl web, and what any program of this machine can ask it."""

    def __init__(self, site, name, *options):
        command = [PROGRAMS / "stoxctl", "-f", site.stox.file, "web", "--listen", "127.0.0.1:0", *options]
        self.child = Child(name, command, site.folder).start()
        self.child.wait_until(lambda: "?token=" in self.child.log(), "says its address")
        self.url = re.search(r"http://\S+", self.child.log())[0]
        self.host = re.search(r"//([^/]+)/", self.url)[1]

    def ask(self, path, method="GET", body=None, **headers):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def passes(self):
        """The headers with which the page asks."""
        _, headers, _ = self.ask(self.url.partition(self.host)[2])
        return {"Cookie": headers["Set-Cookie"].partition(";")[0], "X_Stox_Token": self.url.partition("token=")[2]}


@pytest.fixture
def web(site, request):
    web = Web(site, f"web-{request.node.name}", *getattr(request, "param", ()))
    yield web
    assert web.child.stop() == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(web, browser):
    browser.resize(1280, 900)
    browser.open(web.url)
    yield browser
    complaints = browser.complaints()
    browser.open("about:blank")  # it asks no more
    assert complaints == []


def keep_picture(browser, name, height=None):
    """For doc/images, when STOX_PICTURES names a folder."""
    if folder := os.environ.get("STOX_PICTURES"):
        (pathlib.Path(folder) / name).write_bytes(browser.picture(height))


def beyond(page, width):
    """What reaches beyond the right edge."""
    assert page.run("return [innerWidth, document.documentElement.scrollWidth]") == [width, width]
    return page.run("""return [...document.querySelectorAll('main *')].filter((e) => e.checkVisibility() && !(e instanceof SVGElement)
                       && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 100))""")


def state_of(page, node):
    return page.run("return document.querySelector(`.node[data-node='${arguments[0]}']`)?.dataset.state", node)


def test_the_site_with_its_traffic_and_a_worker_that_was_killed(site, page):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    at_work = threading.Event()

    def talk():
        while not at_work.wait(0.02):
            romeo.message(site.sip_uri(juliet), "hello")
            juliet.send(site.jid_at_host(romeo), "hello yourself")
    talking = threading.Thread(target=talk)
    talking.start()
    try:
        page.shows("#verdict", "All 4 processes are well")
        assert page.run("return location.search") == "" and page.run("return document.cookie") == ""
        workers = {state_of(page, name): name for name in ("component-1", "component-2")}
        assert set(workers) == {"ready", "standby"}, "only one of them is connected"
        first, second = workers["ready"], workers["standby"]
        eventually(lambda: page.run("return document.querySelectorAll('.flow').length") >= 8, "messages flow through all")
        thickness = "return [...arguments].map((link) => parseFloat(document.querySelector(`.line[data-link='${link}']`).style.strokeWidth))"
        busy, idle = page.run(thickness, f"mapper-1 {first}", f"mapper-1 {second}")
        assert busy > idle
        page.shows("#messages tbody tr", "delivered")
        eventually(lambda: page.run("return document.querySelectorAll('.curve.to-xmpp').length") >= 2, "there are curves", within=90)
        assert beyond(page, 1280) == []

        site.stox.kill(first)
        page.shows("#verdict", f"{first} is unreachable")
        page.shows("#troubles li", "not running")
        assert state_of(page, first) == "unreachable"
        assert "lost" in page.run("return document.querySelector(`.line[data-link='${arguments[0]}']`).className.baseVal",
                                  f"mapper-1 {first}")
        eventually(lambda: state_of(page, second) == "ready", "the other has taken over")
        site.stox.start(first)
        page.shows("#verdict", "All 4 processes are well")
    finally:
        at_work.set()
        talking.join()


def test_a_failed_message_is_found_and_what_strangers_wrote_is_only_text(site, page):
    romeo = site.sip_user("romeo")
    assert romeo.message("sip:ghost*nowhere.test@sip-xmpp.test", "hello").status == 403
    page.shows("#verdict", "well")

    page.type("#query", "ghost\n")
    eventually(lambda: len(page.texts("#messages tbody tr")) == 1, "only what is looked for is shown")
    page.shows("#messages tbody tr", "refused here")
    page.click("#messages .show")
    page.shows("#way li[data-hop='sip-1'][data-mood='bad']", "403")
    page.shows("#way li[data-hop='mapper-1']", "cannot be reached")
    assert page.run("return [...document.querySelectorAll('.node[data-passed]')].map((n) => n.dataset.node)") == ["sip-1", "mapper-1"]
    keep_picture(page, "web-message.png", 420)

    juliet = site.xmpp_user("juliet")
    juliet.send(site.jid_at_host(romeo), "hello", id=HOSTILE)
    eventually(lambda: site.stox.ctl_json("trace", HOSTILE)["hops"], "it has come")
    page.type("#query", HOSTILE + "\n")
    page.shows("#way .ids", HOSTILE)
    assert page.run("return [document.querySelectorAll('main img').length, document.title]") == [0, "stox"]

    page.type("#query", "nobody knows this\n")
    page.shows("#way", "Nothing is known")


def test_on_a_telephone_in_the_dark(site, page):
    assert site.sip_user("benvolio").message("sip:ghost*nowhere.test@sip-xmpp.test", "hello").status == 403
    page.shows("#verdict", "well")
    page.resize(400, 800)
    page.prefer("dark")
    page.shows("#messages .show", "Way")
    page.click("#messages .show")
    page.shows("#way .route", "→")
    eventually(lambda: page.run("return document.querySelector('#site svg').clientWidth") < 400, "it is drawn anew")
    assert beyond(page, 400) == []
    keep_picture(page, "web-narrow.png", 1000)
    page.prefer("light")


def test_whom_it_is_shown_to(web):
    passes = web.passes()
    status, headers, text = web.ask("/api/site", **passes)
    assert status == 200 and len(json.loads(text)["status"]["processes"]) == 4
    assert "default-src 'self'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
    assert web.ask("/")[0] == 403 and web.ask("/api/site")[0] == 403
    assert web.ask("/?token=" + "0" * 64)[0] == 403 and web.ask("/?token=" + "0" * 64, **passes)[0] == 403
    assert web.ask("/api/site", **passes, Host="evil.example:" + web.host.partition(":")[2])[0] == 403
    assert web.ask("/api/site", **passes | {"Cookie": passes["Cookie"][:-1] + "x"})[0] == 403
    assert web.ask("/api/site", Cookie=passes["Cookie"])[0] == 403, "other ports of this machine are told the cookie"
    refused = web.ask("/api/drain", "POST", '{"name": "mapper-1"}', **passes, Origin="http://" + web.host,
                      Content_Type="application/json")
    assert refused[0] == 403 and "--allow-actions" in refused[2]


def test_only_loopback_is_listened_on(site):
    done = site.stox.ctl("web", "--listen", "0.0.0.0:0")
    assert done.returncode == 2 and "ssh -L" in done.stderr


@pytest.mark.parametrize("web", [["--allow-actions"]], indirect=True)
def test_a_process_is_drained_and_takes_messages_again(site, web, page):
    forged = web.ask("/api/drain", "POST", '{"name": "sip-1"}', **web.passes(), Origin="http://evil.example",
                     Content_Type="application/json")
    assert forged[0] == 403
    page.shows("#processes tbody tr", "sip-1")
    # In one turn of the page: it asks for some seconds only.
    press = "const button = document.querySelector('#processes tbody tr:first-child .act'); button.click(); "
    assert page.run(press + "return button.textContent") == "Sure?"
    assert site.stox.state("sip-1") == "ready", "it asks first"
    page.run(press + "if (button.textContent === 'Sure?') button.click()")
    page.shows("#processes tbody tr:first-child", "draining")
    page.shows("#processes tbody tr:first-child .act", "Resume")
    page.run(press + "button.click()")
    page.shows("#verdict", "All 4 processes are well")
    assert site.stox.state("sip-1") == "ready"


def press(page, selector):
    """A button that asks first, and its answer "Sure?", in one turn of the page: it asks for some seconds only."""
    eventually(lambda: page.run("return document.querySelector(arguments[0])?.disabled", selector) is False, "it can be pressed")
    assert page.run("const b = document.querySelector(arguments[0]); b.click(); const asked = b.textContent; b.click(); return asked",
                    selector) == "Sure?"


@pytest.mark.parametrize("web", [["--allow-actions"]], indirect=True)
def test_the_configuration_is_read_again(site, web, page):
    page.shows("#processes .actions button", "Reload configuration")
    before, whole = site.stox.file.read_text(), site.stox.configuration
    try:
        site.stox.configuration = copy.deepcopy(whole)
        site.stox.configuration["gateway"]["accept_status"] = 202
        site.stox.configuration["sip_front"][0]["listen"].append(f"udp:{site.stox.host}:{loopback.free_port(site.stox.host)}")
        site.stox.write()
        press(page, "#processes .actions button")
        page.shows("#reloaded tbody tr", "gateway.accept_status")
        rows = page.texts("#reloaded tbody tr")
        assert any("sip-1" in row and "accept_status" in row and row.endswith("taken") for row in rows), rows
        assert any("sip-1.listen" in row and "waits for a restart" in row for row in rows), rows
        page.shows("#reloaded", "rolling-restart")

        site.stox.file.write_text(before + "[nonsense]\n")
        page.resize(400, 800)
        press(page, "#processes .actions button")
        page.shows("#reloaded tbody tr", "not taken")
        page.shows("#reloaded tbody tr", "nonsense")
        assert beyond(page, 400) == []
    finally:
        site.stox.configuration = whole
        site.stox.file.write_text(before)
    press(page, "#processes .actions button")
    eventually(lambda: not any("not taken" in row for row in page.texts("#reloaded tbody tr")), "the file is good again")
    page.click("#close-reloaded")
    assert page.texts("#reloaded") == []


@pytest.mark.parametrize("web", [["--allow-actions"]], indirect=True)
def test_what_was_given_up_is_forgotten(site, web, page):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.xmpp_server.stop()
    eventually(lambda: {site.stox.state(f"component-{i}") for i in (1, 2)}.isdisjoint({"ready"}), "the streams are down")
    assert romeo.message(site.sip_uri(juliet), "hello", within=60).status == 503
    site.xmpp_server.start()
    page.shows("#failed tbody tr", "juliet")
    assert beyond(page, 1280) == []
    press(page, "#failed .actions button")
    page.shows("#failed .none", "Nothing was given up.")
    assert site.stox.ctl_json("failed")["failed"] == []
    site.stox.ready()
