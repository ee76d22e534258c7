"""The preview in a browser: what it answers to whom, then looked at in Chromium, on the demo clip."""

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
from preview import HURRIED, SETTINGS, Running, answers, picture_from
from websockets.exceptions import WebSocketException

from realtime.base.errors import Trouble
from realtime.base.messages import message
from realtime.drawing.words import LANGUAGES
from realtime.readings.verify import verify
from realtime.values import LABELS
from realtime.viewers.web.guard import is_loopback, split_host
from realtime.viewers.web.page import listen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1") as running:
        yield running


@pytest.fixture
def hurried(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1", settings=HURRIED) as running:
        yield running


@pytest.fixture
def remote(tmp_path):
    with Running(tmp_path / "recordings", "0.0.0.0") as running:
        yield running


@pytest.mark.parametrize(
    ("text", "meant"),
    [("localhost:8000", ("localhost", 8000)), ("[::1]:80", ("::1", 80)), ("A.b.", ("a.b", 80)), ("x:y", ("x", -1)), ("x:", ("x", 80))],
)
def test_a_host_header_is_taken_apart(text, meant):
    assert split_host(text) == meant


def test_what_only_this_machine_reaches():
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


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_without_the_token_nothing_is_given(tmp_path, host):
    with Running(tmp_path, host) as running:
        assert_nothing_is_given(running)


def assert_nothing_is_given(remote):
    for path in ("/", "/page.js", "/state", "/readings", "/snapshot.jpg", "/recordings", "/recordings/a.mp4", "/reports/a.html"):
        for query in ("", "?token=", "?token=wrong", f"?token={remote.token[:-1]}", f"?token={remote.token}x"):
            assert remote.ask_as_stranger(path + query)[0] == 401, path + query
    assert remote.ask(Authorization="Bearer wrong")[0] == remote.ask_as_stranger(Cookie=f"faces_{remote.port}={remote.token}")[0] == 401
    with pytest.raises(WebSocketException):
        remote.watch(additional_headers={})
    remote.goes_on()


def test_the_token_is_exchanged_for_a_cookie_that_no_script_reads(local):
    status, headers, _ = local.ask_as_stranger(f"/?token={local.token}")
    held = session_of(local, status, headers)
    assert local.ask_as_stranger("/", Cookie=held)[0] == local.ask_as_stranger("/state", Cookie=held)[0] == 200
    # An old token in a bookmark does no harm to who has the cookie.
    assert local.ask_as_stranger("/?token=old", Cookie=held)[:1] == (303,)
    assert local.ask_as_stranger("/state", Authorization=f"Bearer {local.token}")[0] == 200
    assert local.ask_as_stranger(f"/state?token={local.token}")[0] == 200
    with local.watch(additional_headers={"Cookie": held}) as viewer:
        assert picture_from(viewer).shape == (480, 640, 3)


def session_of(running, status, headers) -> str:
    """The cookie of an answer that sends the browser to the page without the token in its address."""
    cookie = headers["Set-Cookie"]
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and running.token not in cookie
    return cookie.split(";")[0]


def test_who_has_no_token_gets_a_field_for_it(local):
    for query in ("", "?token=old"):
        status, headers, page = local.ask_as_stranger(f"/{query}")
        assert status == 401 and b'<input id="token"' in page and (b"not that of the running program" in page) == bool(query)
        assert "script" not in page.decode() and "form-action 'self'" in headers["Content-Security-Policy"]
    assert local.ask_as_stranger("/page.css")[0] == 200
    assert local.ask_as_stranger("/", "POST", f"token={local.token}".encode())[0] == 403, "a foreign page may not fill it in"
    for body in (b"", b"token=", b"token=wrong", b"token=%ff", b"x" * 5000, b"\xff=\xfe"):
        status, headers, page = local.ask_as_stranger("/", "POST", body, Origin=local.origin)
        assert status == 401 and b"not the token" in page and headers["Set-Cookie"] is None, body
    status, headers, _ = local.ask_as_stranger("/", "POST", f"token={local.token}".encode(), Origin=local.origin)
    held = session_of(local, status, headers)
    assert local.ask_as_stranger("/state", Cookie=held)[0] == 200
    assert local.ask_as_stranger("/", "POST", f"token={local.token}".encode(), Origin=local.origin, Cookie=held)[0] == 303


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
    assert [one["name"] for one in json.loads(local.ask("/recordings")[2])] == ["mine"]


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


def test_who_reads_or_asks_slowly_is_dropped(hurried):
    slow = socket.create_connection(("127.0.0.1", hurried.port))
    slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
    slow.settimeout(5)
    assert slow.recv(1) == b""
    with hurried.watch() as silent, pytest.raises(WebSocketException):
        while True:
            silent.recv(timeout=5)
    hurried.wait(lambda: hurried.web.hub.watching == 0)
    hurried.goes_on()


def test_who_takes_a_file_or_the_readings_without_reading_on_is_dropped(hurried):
    size = 40_000_000
    hurried.folder.mkdir()
    (hurried.folder / "long.mp4").write_bytes(b"x" * size)
    held = [hurried.send(f"GET {path} HTTP/1.1\r\nHOSTTOKEN\r\n", buffer=4096) for path in ("/recordings/long.mp4", "/readings")]
    assert hurried.web.hub.watching == 1
    hurried.goes_on()
    time.sleep(HURRIED.patience_s + 1.5)
    # What lies in buffers still comes; the rest does not.
    got, file = 0, held[0]
    file.settimeout(3)
    with suppress(OSError):
        while part := file.recv(1_000_000):
            got += len(part)
    assert got < size / 2
    hurried.wait(lambda: hurried.web.hub.watching == 0)
    for one in held:
        one.close()
    hurried.goes_on()


def test_a_viewer_who_does_not_answer_gets_two_pictures_and_no_more(hurried):
    with hurried.watch() as viewer:
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
    assert local.web.hub._jpegs == []
    with local.watch() as viewer:
        picture_from(viewer)
    assert local.web.hub._jpegs


def test_programs_get_readings_and_pictures(local):
    link = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)
    link.request("GET", "/readings", headers=local.shown)
    answer = link.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [answer.readline() for _ in range(8)]
    link.close()
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
    assert len(events) >= 3 and events[0]["frame"] < events[1]["frame"] and set(events[0]) == {"frame", "t", "labels", "faces"}
    assert events[0]["labels"] == list(LABELS)
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
    local.snapshot()
    local.wait(lambda: list(local.folder.glob("*.png")))
    assert local.switch.running is not None
    local.order("record", "stop")
    local.wait(lambda: not local.switch.unfinished())
    local.order("profile", "ana")
    local.wait(lambda: local.profiles.chosen == ["ana"])


def test_only_offered_cameras_can_be_chosen(local):
    assert json.loads(local.ask("/state")[2])["cameras"] == [["demo", "demo clip"], ["0", "HD Webcam"]]
    local.order("camera", "/etc/passwd")
    local.order("camera", "http://evil.example/")
    local.order("camera", "0")
    local.wait(lambda: local.cameras.chosen == ["0"])


def test_with_privacy_there_are_no_snapshots(tmp_path):
    with Running(tmp_path, "127.0.0.1", privacy="blur") as running:
        assert running.ask("/snapshot.jpg")[0] == 403
        assert running.ask("/snapshot", "POST", b"", Origin=running.origin)[0] == 403
        running.goes_on()
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


@contextmanager
def opened(browser, address: str, width: int = 1280, height: int = 800, dark: bool = False):
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    try:
        page.goto(address)
        page.locator("article.face").first.wait_for(timeout=20_000)
        yield page
        assert faults == []
    finally:
        page.close()


NOW = """() => { const face = document.querySelector("article.face"); if (!face) return null;
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
    link.request("GET", f"/readings?{address.query}")
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
        page.keyboard.press("i")
        page.locator("#rates", has_text=re.compile(r"\d+ fps")).wait_for()
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
            page.get_by_role("link", name="Report on").first.click()
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
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_page_comes_back_by_itself(tmp_path, browser):
    """After all its connections were cut."""
    with Running(tmp_path, "127.0.0.1") as running:
        page = browser.new_page()
        page.goto(running.web.address)
        page.locator("article.face").first.wait_for()
        places, event_loop = running.web._server.places, running.web.hub._event_loop
        event_loop.call_soon_threadsafe(lambda: [one.abort() for one in (*places.guests, *places.strangers)])
        page.get_by_text("reconnecting", exact=True).wait_for(timeout=10_000)
        before = int(page.locator("#picture").get_attribute("data-count"))
        running.wait(lambda: int(page.locator("#picture").get_attribute("data-count")) > before + 5, 15.0)
        page.locator("#notice").wait_for(state="hidden", timeout=5_000)
        assert page.locator("#notice").is_hidden() and page.locator("body.stale").count() == 0
        page.close()


def test_a_program_that_has_gone_dims_the_page_and_its_successor_asks_for_the_token(tmp_path, browser):
    with Running(tmp_path, "127.0.0.1") as first:
        page = browser.new_page()
        page.goto(first.web.address)
        page.locator("article.face").first.wait_for()
        assert page.url == f"{first.origin}/" and first.token not in page.content()
    page.get_by_text("reconnecting", exact=True).wait_for(timeout=10_000)
    assert "reconnecting" in page.locator("#notice").inner_text() and page.locator("body.stale").count() == 1
    with Running(tmp_path, "127.0.0.1", port=first.port) as second:
        page.locator("#token").wait_for(timeout=15_000)
        page.locator("#token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("This is not the token.").wait_for()
        page.locator("#token").fill(second.token)
        page.get_by_role("button").click()
        page.locator("article.face").first.wait_for()
        assert page.url == f"{first.origin}/"
        page.close()


def test_a_link_of_another_site_leads_to_the_page(local, browser, tmp_path):
    """The browser holds the cookie back on the way from the other site."""
    link = tmp_path / "link.html"
    link.write_text(f'<a href="{local.web.address}">look</a>')
    with Running(tmp_path / "other", "127.0.0.1") as other:
        page = browser.new_page()
        # Another site for the browser, whose page is replaced by one with the link.
        page.route("http://localhost:*/**", lambda route: route.fulfill(body=link.read_text(), content_type="text/html"))
        page.goto(f"http://localhost:{other.port}/")
        page.get_by_text("look").click()
        page.locator("article.face").first.wait_for(timeout=10_000)
        page.close()


def test_a_camera_that_is_lost_dims_the_page_also_after_a_reload(local, browser):
    page = browser.new_page()
    page.goto(local.web.address)
    page.locator("body:not(.stale) article.face").first.wait_for(timeout=5_000)
    local.why = message("text", text="The camera is lost")
    for _ in range(2):
        page.get_by_text("The camera is lost").wait_for(timeout=5_000)
        page.locator("body.stale article.face").wait_for(timeout=5_000)
        assert page.locator("#picture").evaluate("one => getComputedStyle(one).opacity") < "0.5"
        drawn = page.evaluate("document.querySelector('.strip').toDataURL()")
        page.wait_for_timeout(400)
        assert page.evaluate("document.querySelector('.strip').toDataURL()") == drawn
        page.reload()
    local.why = None
    page.locator("body:not(.stale) article.face").wait_for(timeout=5_000)
    page.close()
