"""The dashboard in a real browser: one server and one Chromium for all tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
LAPTOP = {"width": 1366, "height": 850}
PHONE = {"width": 390, "height": 844}
START_SECONDS = 60


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory):
    """Where the dashboard finds runs and keeps what it measures, instead of runs/."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def app(tmp_path_factory, runs_folder):
    """Address of the dashboard."""
    with running(tmp_path_factory.mktemp("dashboard") / "log.txt", runs_folder) as address:
        yield address


@pytest.fixture
def fresh_app(tmp_path):
    """Address of a dashboard that nobody has visited."""
    with running(tmp_path / "log.txt", tmp_path / "runs") as address:
        yield address


@contextmanager
def running(log, runs):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    surroundings = os.environ | {"DEEPMASQUE_RUNS": str(runs), "TMPDIR": str(log.parent)}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=surroundings, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server, log)
        yield address
    finally:
        stop(server)


def stop(server):
    server.terminate()
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        pytest.fail("The dashboard did not stop when asked to.")


def wait_for(address, server, log):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The dashboard did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium, without which these tests fail."""
    with launched() as browser:
        yield browser


@contextmanager
def launched():
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [path for path in MAC_APPS if Path(path).exists()]
    if not found:
        pytest.fail("No Chromium found: install it (apt install chromium, or Chrome on a Mac).")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found[0], args=[*FLAGS, *(["--no-sandbox"] if as_root else [])]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def windows(app, chromium):
    """One browser profile for each width, so that the page's scripts are loaded once."""
    profiles = {
        "laptop": chromium.new_context(base_url=app, viewport=LAPTOP),
        "phone": chromium.new_context(base_url=app, viewport=PHONE, has_touch=True, is_mobile=True),
    }
    yield profiles
    for profile in profiles.values():
        profile.close()


@pytest.fixture
def laptop(windows):
    """A page in a window of a laptop's size, which may talk to this machine only."""
    yield from watched_page(windows["laptop"])


@pytest.fixture
def phone(windows):
    """A page on a phone, which may talk to this machine only."""
    yield from watched_page(windows["phone"])


def watched_page(profile):
    page = profile.new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    strangers, missing, faults = [], [], []
    page.on("request", lambda request: note_stranger(request.url, strangers))
    page.on("response", lambda response: note_missing(response, missing))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert not strangers, f"The page asked other hosts: {strangers}"
    assert not missing, f"The server had no answer: {missing}"
    assert not faults, f"JavaScript failed: {faults}"


def note_stranger(url, strangers):
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        strangers.append(url)


def note_missing(response, missing):
    # Opened below the root, Streamlit first asks for these beside the page: its issue 7074.
    beside_the_page = response.url.endswith(("/_stcore/health", "/_stcore/host-config"))
    if response.status >= 400 and not beside_the_page:
        missing.append((response.status, response.url))
