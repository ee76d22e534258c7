"""The preview in a browser: attacked over sockets, then looked at in Chromium, on the demo clip."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from conftest import ROOT
from fakes import NoCameras, NoProfile, a_reading, controls
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from realtime.base.errors import Trouble
from realtime.config import Choices, WebSettings
from realtime.drawing.words import LANGUAGES
from realtime.readings.verify import verify
from realtime.recording.recording import RecordingSetup
from realtime.recording.switch import RecordSwitch
from realtime.values import Frame
from realtime.viewers.web.guard import is_loopback, split_host
from realtime.viewers.web.page import Web, listen

SETTINGS = WebSettings(patience_s=0.5, request_s=0.5, connections=24, viewers=3, beat_s=0.2)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Running:
    """A preview before a loop of its own that never stops: `frames` counts what the loop has done."""

    def __init__(self, folder: Path, host: str, privacy: str = "none", settings: WebSettings = SETTINGS, port: int = 0):
        self.cameras, self.profiles, self.frames, self.lines = NoCameras(), NoProfile(), 0, []
        setup = RecordingSetup(time.monotonic, choices=Choices(privacy=privacy), live=True, tell=self.lines.append)
        self.switch = RecordSwitch(folder, lambda: {"source": "test", "labels": []}, setup)
        self.controls = controls(time.monotonic, self.switch, self.profiles, self.cameras)
        self.web = Web(self.controls, host, port, settings, self.lines.append)
        self.port, self.folder = self.web.port, folder
        self.token = urlsplit(self.web.address).query.removeprefix("token=")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def __enter__(self):
        self._thread.start()
        self.wait(lambda: self.frames > 2)
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _loop(self):
        picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
        with self.web, self.switch:
            while not self._over.wait(0.02):
                frame = Frame(np.roll(picture, self.frames, 1), time.monotonic(), self.frames)
                for sink in (self.web, self.controls, self.switch):
                    sink.write(frame, [a_reading()])
                self.frames += 1

    def wait(self, met, seconds=10.0):
        end = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def goes_on(self):
        before = self.frames
        self.wait(lambda: self.frames > before + 3)

    def ask(self, path="/", method="GET", body=None, host=None, **headers):
        """Status, headers and body. Nothing of the path is changed on its way."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        link.putrequest(method, path, skip_host=True)
        given = {"Host": host or f"127.0.0.1:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in given.items():
            link.putheader(name, value)
        if body is not None:
            link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        answer = link.getresponse()
        try:
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def order(self, do, which=None):
        status, _, said = self.ask("/command", "POST", json.dumps({"do": do, "which": which}).encode(), Origin=self.origin)
        assert status == 202, said

    def watch(self, origin=None, **more):
        return connect(f"ws://127.0.0.1:{self.port}/live", origin=origin or self.origin, **more)


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1") as running:
        yield running


@pytest.fixture
def remote(tmp_path):
    with Running(tmp_path / "recordings", "0.0.0.0") as running:
        yield running


def picture_from(viewer) -> np.ndarray:
    while True:
        said = viewer.recv(timeout=5)
        if isinstance(said, bytes):
            viewer.send("got")
            if said:
                return cv2.imdecode(np.frombuffer(said, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("localhost:8000", ("localhost", 8000)), ("[::1]:80", ("::1", 80)), ("A.b.", ("a.b", 80)), ("x:y", ("x", -1)), ("x:", ("x", 80))],
)
def test_a_host_header_is_taken_apart(text, meant):
    assert split_host(text) == meant


def test_only_loopback_needs_no_token():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "192.168.0.2", "nonesuch")] == [True] * 3 + [
        False
    ] * 4


def test_names_of_others_are_refused(local):
    port = local.port
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.0.0.1.evil.example:{port}", f"[::2]:{port}", "x:y"):
        assert local.ask(host=host)[0] == 421, host
    assert [local.ask(host=f"{name}:{port}")[0] for name in ("127.0.0.1", "localhost", "LOCALHOST", socket.gethostname())] == [200] * 4
    local.goes_on()


def test_pages_of_others_are_refused(local):
    order = json.dumps({"do": "record", "which": "start"}).encode()
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{local.port}", f"http://127.0.0.1:{local.port + 1}"):
        assert local.ask("/command", "POST", order, Origin=origin)[0] == 403, origin
        assert local.ask("/readings", Origin=origin)[0] == 403, origin
        with pytest.raises(WebSocketException):
            local.watch(origin)
    assert local.ask("/command", "POST", order)[0] == 403
    assert local.ask("/snapshot.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    local.goes_on()
    assert local.switch.running is None


def test_every_answer_forbids_what_it_does_not_need(local):
    for path in ("/", "/page.js", "/state", "/nonesuch", "/snapshot.jpg"):
        _, headers, _ = local.ask(path)
        assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        asked = ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "Access-Control-Allow-Origin")
        assert [headers[name] for name in asked] == ["nosniff", "no-referrer", "no-store", None]


def test_without_the_token_nothing_is_given(remote):
    for path in ("/", "/page.js", "/state", "/readings", "/snapshot.jpg", "/recordings", "/recordings/a.mp4", "/reports/a.html"):
        for query in ("", "?token=", "?token=wrong", f"?token={remote.token[:-1]}", f"?token={remote.token}x"):
            assert remote.ask(path + query)[0] == 401, path + query
    assert remote.ask(Authorization="Bearer wrong")[0] == remote.ask(Cookie=f"faces_{remote.port}={remote.token}")[0] == 401
    with pytest.raises(WebSocketException):
        remote.watch()
    remote.goes_on()


def test_the_token_is_exchanged_for_a_cookie_that_no_script_reads(remote):
    status, headers, _ = remote.ask(f"/?token={remote.token}")
    cookie = headers["Set-Cookie"]
    assert status == 200 and "HttpOnly" in cookie and "SameSite=strict" in cookie and remote.token not in cookie
    held = cookie.split(";")[0]
    assert remote.ask("/state", Cookie=held)[0] == 200
    assert remote.ask("/state", Authorization=f"Bearer {remote.token}")[0] == 200
    with remote.watch(additional_headers={"Cookie": held}) as viewer:
        assert picture_from(viewer).shape == (480, 640, 3)


def test_the_address_with_the_token_is_told_with_a_code_to_photograph(remote):
    assert "http://" in remote.lines[0] and f":{remote.port}/?token={remote.token}" in remote.lines[0]
    assert len(remote.token) >= 20
    code = remote.lines[1:]
    size = len(code[0])
    picture = np.zeros((2 * len(code), size), np.uint8)
    for y, row in enumerate(code):
        for x, letter in enumerate(row):
            picture[2 * y : 2 * y + 2, x] = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}[letter]
    # OpenCV's reader is not a phone's: it misses one size or another.
    large = [np.pad(np.kron(picture, np.ones((by, by), np.uint8)), 40, constant_values=255) for by in (4, 6, 8, 10)]
    assert remote.web.address in [cv2.QRCodeDetector().detectAndDecode(one)[0] for one in large]


SECRETS = (
    "../secret.mp4",
    "..%2fsecret.mp4",
    "%2e%2e%2fsecret.mp4",
    "%2e%2e/secret.mp4",
    "..%5csecret.mp4",
    "..%252fsecret.mp4",
    "%c0%ae%c0%ae%2fsecret.mp4",
)
SECRETS += (
    "....//secret.mp4",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "secret.mp4%00.mp4",
    "link.mp4",
    ".hidden",
    "sub%2fdeep.mp4",
    "..;/secret.mp4",
)


def test_no_path_leaves_the_recordings(local):
    (local.folder / "sub").mkdir(parents=True)
    for path in (
        local.folder.parent / "secret.mp4",
        local.folder.parent / "secret.jsonl",
        local.folder / "sub" / "deep.mp4",
        local.folder / ".hidden",
    ):
        path.write_text("secret")
    (local.folder / "link.mp4").symlink_to(local.folder.parent / "secret.mp4")
    (local.folder / "mine.mp4").write_text("mine")
    assert local.ask("/recordings/mine.mp4")[::2] == (200, b"mine")
    for path in SECRETS:
        for folder in ("recordings", "reports"):
            status, _, said = local.ask(f"/{folder}/{path}")
            assert status in (400, 404) and b"secret" not in said, path
        assert local.ask(f"/reports/{path.removesuffix('.mp4')}.html")[0] in (400, 404), path
    assert [one["name"] for one in json.loads(local.ask("/recordings")[2])] == ["mine.mp4"]


def test_thousands_of_connections_are_dropped_and_the_loop_goes_on(local):
    held = []
    for _ in range(10_000):
        with suppress(OSError):
            held.append(socket.create_connection(("127.0.0.1", local.port), timeout=1))
        if len(held) > 300:
            held.pop(0).close()
    local.goes_on()
    # Those that ask for nothing are dropped, and there is room again.
    local.wait(lambda: answers(local))
    for one in held:
        one.close()


def answers(running) -> bool:
    try:
        return running.ask()[0] == 200
    except OSError:
        return False


def test_giant_requests_and_messages_are_refused(local):
    assert local.ask("/command", "POST", b"x" * 100_000, Origin=local.origin)[0] == 413
    for body in (b"", b"[]", b"{", b"[" * 1000, b'{"do":"format"}', b'{"do":"camera","which":{}}', b"\xff\xfe"):
        assert local.ask("/command", "POST", body, Origin=local.origin)[0] == 400, body
    with suppress(OSError, http.client.HTTPException):
        assert local.ask("/?" + "x" * 200_000)[0] >= 400
    with local.watch() as viewer, pytest.raises(WebSocketException):
        viewer.send("x" * 100_000)
        while True:
            viewer.recv(timeout=5)
    local.goes_on()


def test_who_reads_or_asks_slowly_is_dropped(local):
    slow = socket.create_connection(("127.0.0.1", local.port))
    slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
    slow.settimeout(5)
    assert slow.recv(1) == b""
    with local.watch() as silent, pytest.raises(WebSocketException):
        while True:
            silent.recv(timeout=5)
    local.wait(lambda: local.web.hub.watching == 0)
    local.goes_on()


def test_who_takes_a_file_or_the_readings_without_reading_on_is_dropped(local):
    size = 40_000_000
    local.folder.mkdir()
    (local.folder / "long.mp4").write_bytes(b"x" * size)
    held = []
    for path in ("/recordings/long.mp4", "/readings"):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", local.port))
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{local.port}\r\n\r\n".encode())
        assert slow.recv(100)
        held.append(slow)
    local.goes_on()
    time.sleep(SETTINGS.patience_s + 1.5)
    # What lies in buffers still comes; the rest does not.
    got, file = 0, held[0]
    file.settimeout(3)
    with suppress(OSError):
        while part := file.recv(1_000_000):
            got += len(part)
    assert got < size / 2
    for one in held:
        one.close()
    local.goes_on()


def test_a_viewer_who_does_not_answer_gets_two_pictures_and_no_more(local):
    with local.watch() as viewer:
        got = []
        with suppress(WebSocketException, TimeoutError):
            while True:
                got.append(viewer.recv(timeout=2))
    assert sum(isinstance(one, bytes) for one in got) == SETTINGS.ahead


def test_a_viewer_too_many_is_sent_away(local):
    with ExitStack() as stack:
        for _ in range(SETTINGS.viewers):
            picture_from(stack.enter_context(local.watch()))
        with pytest.raises(WebSocketException), local.watch() as late:
            late.recv(timeout=5)
        assert local.ask("/readings")[0] == 503


def test_nothing_is_encoded_while_nobody_looks(local):
    assert local.web.hub._jpeg is None
    with local.watch() as viewer:
        picture_from(viewer)
    assert local.web.hub._jpeg is not None


def test_programs_get_readings_and_pictures(local):
    link = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)
    link.request("GET", "/readings")
    answer = link.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [answer.readline() for _ in range(8)]
    link.close()
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
    assert len(events) >= 3 and events[0]["frame"] < events[1]["frame"] and set(events[0]) == {"frame", "t", "faces"}
    assert events[0]["faces"][0]["label"] == "happiness"
    assert (events[0]["faces"][0]["yaw"], events[0]["faces"][0]["eyes"]) == (0, 13)
    status, headers, jpeg = local.ask("/snapshot.jpg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_orders_are_obeyed_in_the_loops_thread(local):
    local.order("record", "start")
    local.wait(lambda: local.switch.running and local.switch.running.elapsed_s > 0.2)
    assert local.ask("/recordings")[2] == b"[]", "an unfinished file is offered"
    local.order("record", "start")
    local.order("snapshot")
    local.wait(lambda: list(local.folder.glob("*.png")))
    assert local.switch.running is not None
    local.order("record", "stop")
    local.wait(lambda: not local.switch.unfinished())
    local.order("profile", "ana")
    local.wait(lambda: local.profiles.chosen == ["ana"])


def test_only_offered_cameras_can_be_chosen(local):
    assert json.loads(local.ask("/state")[2])["cameras"] == ["demo", "0"]
    local.order("camera", "/etc/passwd")
    local.order("camera", "http://evil.example/")
    local.order("camera", "0")
    local.wait(lambda: local.cameras.chosen == ["0"])


def test_with_privacy_there_are_no_snapshots(tmp_path):
    with Running(tmp_path, "127.0.0.1", privacy="blur") as running:
        assert running.ask("/snapshot.jpg")[0] == 403
        running.order("snapshot")
        running.goes_on()
        assert running.controls.status().message == "no snapshots with --privacy"
        assert list(tmp_path.glob("*.png")) == []


def test_a_port_that_is_taken_is_one_line(local):
    with pytest.raises(Trouble, match=rf"port {local.port} .*--port"):
        listen("127.0.0.1", local.port)
    with pytest.raises(Trouble, match="--host takes"):
        listen("nonesuch.invalid", 0)


@contextmanager
def live(folder: Path, *more: object):
    """The program itself, as a user starts it; gives the address of the page."""
    command = [sys.executable, "-u", str(ROOT / "run.py"), "live", "--source", "demo", "--web", "--port", "0", *map(str, more)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        yield next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    with live(folder) as address:
        yield folder, address


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def opened(browser, address: str, width: int = 1280, height: int = 800, dark: bool = False):
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    try:
        page.goto(address)
        page.locator(".face").first.wait_for(timeout=20_000)
        yield page
        assert faults == []
    finally:
        page.close()


NOW = """() => { const face = document.querySelector(".face"); if (!face) return null;
const rows = [...face.querySelectorAll(".bars li")], shown = face.querySelector(".shown");
return {id: face.querySelector(".who").textContent, widths: rows.map((row) => row.querySelector("i").style.width),
        names: rows.map((row) => row.firstChild.textContent), said: face.querySelector(".what").textContent,
        shown: shown && shown.firstChild.textContent, line: line}; }"""


def percent_by_face(line: dict) -> dict[str, tuple[float, ...]]:
    """The seven probabilities of each face of a reading in per cent, by the title of its card."""
    return {f"Face {face['id']}": tuple(100 * share for share in face["probs"]) for face in line["faces"]}


def test_the_picture_moves_and_the_bars_follow_the_clip(program, browser):
    """The bars are those of the newest line that the page has; such lines come from /readings as well."""
    address = urlsplit(program[1])
    link = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    link.request("GET", "/readings")
    events, streamed = link.getresponse(), set()

    def listen() -> None:
        with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            for line in events:
                if line.startswith(b"data: "):
                    streamed.update(percent_by_face(json.loads(line.removeprefix(b"data: "))).items())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    with opened(browser, program[1]) as page:
        samples, pictures = set(), set()
        end = time.monotonic() + 20
        while (len(samples) < 3 or len(pictures) < 5 or not samples & streamed) and time.monotonic() < end:
            now = page.evaluate(NOW)
            faces = percent_by_face(now["line"]) if now is not None else {}
            # The card of a face that was lost stays for a second.
            if now is not None and now["id"] in faces:
                assert [float(width.removesuffix("%")) for width in now["widths"]] == pytest.approx(faces[now["id"]], abs=0.051)
                samples.add((now["id"], faces[now["id"]]))
                if now["shown"]:
                    assert now["said"].startswith(now["shown"])
            pictures.add(page.evaluate("document.getElementById('picture').toDataURL('image/jpeg', 0.3)"))
            time.sleep(0.15)
        assert re.search(r"\d+ fps", page.locator("#rates").inner_text())
    link.sock.close()
    assert len(pictures) >= 5
    assert len(samples) >= 3 and samples & streamed


def test_the_page_and_its_picture_are_in_the_language(tmp_path, browser):
    with live(tmp_path, "--lang", "zh") as address, opened(browser, address) as page:
        words = LANGUAGES["zh"]
        assert page.evaluate(NOW)["names"] == list(words.labels.values())
        said = page.locator(".what").first.inner_text()
        assert any(word in said for word in (*words.labels.values(), words.unsure))


def test_what_is_recorded_in_the_page_is_whole_and_has_a_report(program, browser, tmp_path):
    with opened(browser, program[1]) as page:
        # By keyboard: the button is reached with Tab.
        page.locator("#record").focus()
        page.keyboard.press("Enter")
        page.locator("#rec").wait_for(timeout=10_000)
        page.wait_for_timeout(1000)
        page.get_by_role("button", name="Stop recording").click()
        for name in ("mp4", "jsonl"):
            link = page.locator(f"a[href^='/recordings/'][href$='.{name}']").first
            link.wait_for(timeout=10_000)
            with page.expect_download() as download:
                link.click()
            download.value.save_as(tmp_path / f"got.{name}")
        with page.expect_download() as download:
            page.get_by_role("link", name="Report of").first.click()
        assert "<main>" in Path(download.value.path()).read_text()
    problems, held = verify(tmp_path / "got.mp4")
    assert problems == [] and "frames" in held


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 800, False), (390, 844, True), (390, 844, False), (1280, 800, True)])
def test_axe_finds_no_serious_fault_and_nothing_is_wider_than_the_screen(program, browser, width, height, dark):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, program[1], width, height, dark) as page:
        # axe-core is put in by the test; the page's own rules would not let it.
        faults = Axe().run(page).response["violations"]
        assert [(f["id"], [n["html"] for n in f["nodes"]]) for f in faults if f["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_comes_back_by_itself(tmp_path, browser):
    with Running(tmp_path, "127.0.0.1") as first:
        page = browser.new_page()
        page.goto(first.origin)
        page.locator(".face").first.wait_for()
    page.get_by_text("reconnecting", exact=True).wait_for(timeout=10_000)
    assert "reconnecting" in page.locator("#notice").inner_text()
    before = int(page.locator("#picture").get_attribute("data-count"))
    with Running(tmp_path, "127.0.0.1", port=first.port) as second:
        second.wait(lambda: int(page.locator("#picture").get_attribute("data-count")) > before + 5, 15.0)
        assert page.locator("#notice").is_hidden()
        page.close()
