"""Headless Chromium, driven by the WebDriver protocol over plain HTTP. It reaches nothing but loopback."""
import base64
import json
import urllib.error
import urllib.request

from support import loopback
from support.child import Child
from support.waiting import eventually

OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver 11


class Browser:
    def __init__(self, folder):
        # Its helpers are to find what they keep in `folder`, too.
        port = loopback.free_port("127.0.0.1")
        self.address = f"http://127.0.0.1:{port}"
        self.driver = Child("chromedriver", ["chromedriver", f"--port={port}", "--silent"], folder, {"HOME": str(folder)}).start()
        self.driver.wait_until(self._listens, "listens")
        wanted = {"goog:chromeOptions": {"args": [*OPTIONS, f"--user-data-dir={folder}/profile"]},
                  "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = "/session/" + self._ask("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _listens(self):
        try:
            return self._ask("/status")["ready"]
        except urllib.error.URLError:
            return False

    def _ask(self, path, body=None, method=None):
        request = urllib.request.Request(self.address + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as failure:
            raise AssertionError(f"{path}: {failure.read().decode()[:600]}") from None

    def call(self, command, **body):
        return self._ask(f"{self.session}/{command}", body)

    def open(self, url):
        self.call("url", url=url)

    def run(self, script, *arguments):
        """What the script returns; a promise is waited for."""
        return self.call("execute/sync", script=script, args=arguments)

    def resize(self, width, height):
        self._devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        """"light" or "dark"."""
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _devtools(self, command, **params):
        return self.call("goog/cdp/execute", cmd=command, params=params)

    def texts(self, selector):
        """Of what is seen, with an element for each."""
        return self.run("return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())"
                        ".map((e) => (e.innerText ?? e.textContent).trim())", selector)

    def shows(self, selector, text):
        eventually(lambda: any(text in one for one in self.texts(selector)), f'"{text}" stands in {selector}')

    def click(self, selector):
        self.call("element/" + self._element(selector) + "/click")

    def type(self, selector, text):
        self.call("element/" + self._element(selector) + "/clear")
        self.call("element/" + self._element(selector) + "/value", text=text)

    def _element(self, selector):
        return self.call("element", using="css selector", value=selector)[ELEMENT]

    def picture(self, height=None):
        """The page as PNG, from its top on, all of it unless a height is given."""
        width, whole = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
        return base64.b64decode(self._devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"])

    def complaints(self):
        """Errors on the console since the last time: of scripts, of the Content-Security-Policy, of what could not be had."""
        return [entry["message"] for entry in self.call("se/log", type="browser") if entry["level"] == "SEVERE"]

    def close(self):
        if self.driver.running():
            self._ask(self.session, method="DELETE")
            self.driver.stop()
