"""A look at the site in a headless Chromium: a server for the site and browser.js, which posts what it saw."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("browser.js")
DEADLINE_S = 100.0
PAGE = "<!doctype html><meta charset=utf-8><title>look</title><body><script type=module src=/browser.js></script>"


class Handler(http.server.SimpleHTTPRequestHandler):
    """The files of the site, and three of the test's own."""

    def __init__(self, site: Path, seen: "Queue[Any]", *arguments: Any) -> None:
        self.site = site
        self.seen = seen
        super().__init__(*arguments, directory=str(site))

    def do_GET(self) -> None:
        own = {
            "/look.html": ("text/html", lambda: PAGE),
            "/browser.js": ("text/javascript", SCRIPT.read_text),
            "/pages.json": ("application/json", self.pages),
        }
        if self.path not in own:
            super().do_GET()
            return
        kind, text = own[self.path]
        body = text().encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pages(self) -> str:
        return json.dumps(sorted(f"/{file.relative_to(self.site)}" for file in self.site.rglob("*.html")))

    def do_POST(self) -> None:
        self.seen.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def look(site: Path, profile: Path) -> dict[str, Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "there is no chromium: `./dev test docs` installs it"
    seen: Queue[Any] = Queue()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site, seen))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    options += [f"--user-data-dir={profile}", "--window-size=1400,1000", "--disable-background-networking"]
    browser = subprocess.Popen(
        [program, *options, f"http://127.0.0.1:{server.server_port}/look.html", "--remote-debugging-port=0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        found: dict[str, Any] = seen.get(timeout=DEADLINE_S)
    except Empty:
        pytest.fail(f"the browser has seen nothing within {DEADLINE_S:.0f} s (exit code {browser.poll()})")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)  # and all that it started
        browser.wait()
        server.shutdown()
        server.server_close()
    assert "error" not in found, found["error"]
    return found
