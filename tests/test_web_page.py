"""What the page can do, looked at in Chromium: rows of recordings, keys, what all viewers share, the overlay, the six languages."""

import json
import re
import shutil
import string
import threading
import time

import cv2
import numpy as np
import pytest
from conftest import ROOT
from fakes import a_reading
from preview import HURRIED, Running, picture_from

from realtime.base.messages import message
from realtime.drawing.words import ENGLISH, LANGUAGES
from realtime.sources.cameras import Camera
from realtime.viewers.web.hub import NOTHING, View
from realtime.viewers.web.page import named_cameras
from realtime.viewers.web.texts import HERE, TEXTS, filled, page_texts

"""For a browser on a busy machine: one that is dropped cannot press a button until it is back."""
PAGES = ("page.html", "overlay.html", "entrance.html")


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1") as running:
        running.folder.mkdir()
        yield running


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A short recording: its video and its readings."""
    with Running(tmp_path_factory.mktemp("made"), "127.0.0.1") as running:
        running.order("record", "start")
        running.wait(lambda: running.switch.running and running.switch.running.elapsed_s > 2.2)
        running.order("record", "stop")
        running.wait(lambda: not running.switch.unfinished() and list(running.folder.glob("*.mp4")))
    return next(running.folder.glob("*.mp4"))


def put(local, recorded, *names):
    """Recordings under other names."""
    for name in names:
        for ending in (".mp4", ".jsonl"):
            shutil.copy(recorded.with_suffix(ending), local.folder / f"{name}{ending}")


def opened(browser, local, width=1280, height=800, **more):
    page = browser.new_page(viewport={"width": width, "height": height}, **more)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(local.web.address)
    page.locator("article.face").first.wait_for()
    page.locator("#record:enabled").wait_for()
    return page


def is_pressed(page, id, pressed=True):
    page.locator(f"#{id}[aria-pressed={str(pressed).lower()}]").wait_for(timeout=5_000)


def fields_of(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_text_with_the_same_places():
    assert TEXTS.keys() == LANGUAGES.keys()
    for texts in TEXTS.values():
        assert texts.keys() == TEXTS["en"].keys()
        assert [fields_of(text) for text in texts.values()] == [fields_of(TEXTS["en"][key]) for key in texts]
        assert all(text.strip() for text in texts.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_have_a_text_in_every_place(language):
    for name in PAGES:
        page = filled(name, language, problem="")
        assert "{{" not in page and f'lang="{language}"' in page
    assert filled("entrance.html", language, problem="<b>") == filled("entrance.html", language, problem="").replace(
        '<p id="problem" role="status"></p>', '<p id="problem" role="status">&lt;b&gt;</p>'
    )


def test_the_scripts_have_no_text_of_their_own():
    scripts = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("*.js"))
    used = set(re.findall(r"\btexts\.(\w+)", scripts))
    used |= {key for pair in re.findall(r'\bsay\((?:\w+ \? )?"(\w+)"(?: : "(\w+)")?', scripts) for key in pair if key}
    assert len(used) > 20 and used <= page_texts("en").keys()
    pages = "".join((HERE / name).read_text(encoding="utf-8") for name in PAGES)
    assert not re.findall(r">\s*[A-Za-z][a-z]+ ?[a-z]*<", re.sub(r"\{\{\w+\}\}", "", pages))
    assert TEXTS["en"].keys() - used <= set(re.findall(r"\{\{(\w+)\}\}", pages)) | {"token_wrong", "token_old"}, "texts that nobody shows"


def test_cameras_have_the_names_that_their_makers_gave_them():
    cameras = [Camera(0, "HD Webcam"), Camera(2, "USB cam"), Camera(4, "USB cam"), Camera(6, "")]
    texts = ["0", "2", "4", "6", "9", "usb", "hd", "demo", "rtsp://box/1", "film.mp4"]
    names = ["HD Webcam", "USB cam (2)", "USB cam (4)", "6", "9", "usb", "HD Webcam", "demo clip", "rtsp://box/1", "film.mp4"]
    assert named_cameras(texts, cameras, ENGLISH) == list(zip(texts, names, strict=True))


def test_a_view_is_mirrored_and_without_labels_as_it_says():
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    plain = View(picture, [a_reading()], {}, mirrored=True, labels=False).drawn(ENGLISH)
    assert np.array_equal(plain, picture[:, ::-1])
    assert not np.array_equal(View(picture, [a_reading()], {}).drawn(ENGLISH), picture)
    assert NOTHING.drawn(ENGLISH) is None


def status_from(viewer, met):
    """The first status for which `met` is true."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        said = viewer.recv(timeout=5)
        if isinstance(said, bytes):
            viewer.send("got")
        elif met(status := json.loads(said)):
            return status
    raise AssertionError("waited in vain")


def test_a_pause_stops_the_page_and_nothing_else(local):
    with local.watch() as page, local.watch() as second, local.watch(uri="/live?overlay=1") as overlay:
        local.order("pause", "on")
        status_from(page, lambda status: status["paused"])
        assert status_from(second, lambda status: status["paused"])["paused"]
        # What was under way still comes.
        local.wait(lambda: status_from(page, lambda status: True)["line"] is None)
        assert [status_from(page, lambda status: True)["line"] for _ in range(5)] == [None] * 5
        now = local.frames
        status_from(overlay, lambda status: status["paused"] and status["line"] and status["line"]["frame"] > now)
        before = local.frames
        local.order("pause", "off")
        assert status_from(page, lambda status: status["line"] and not status["paused"])["line"]["frame"] > before


def test_a_late_viewer_sees_the_picture_that_stands_still(local):
    with local.watch() as first:
        local.order("pause", "on")
        status_from(first, lambda status: status["paused"])
        local.goes_on()
        with local.watch() as late, local.watch() as later:
            held = picture_from(late)
            assert np.array_equal(held, picture_from(later))
            local.order("mirror", "on")
            assert not np.array_equal(held, picture_from(late))


def test_the_overlay_gets_no_picture_and_its_address_may_hold_the_token(local):
    with local.watch(uri="/live?overlay=1") as viewer:
        pictures = []
        while len(pictures) < 5:
            said = viewer.recv(timeout=5)
            if isinstance(said, bytes):
                viewer.send("got")
                pictures.append(said)
    assert pictures == [b""] * 5
    status, headers, _ = local.ask_as_stranger(f"/?overlay=1&token={local.token}")
    assert (status, headers["Location"]) == (303, "/?overlay=1")
    assert local.ask_as_stranger(f"/?overlay=//evil.example&token={local.token}")[1]["Location"] == "/"
    assert b"<canvas" in local.ask("/?overlay=1")[2] and b"<button" not in local.ask("/?overlay=1")[2]
    for path in ("/?overlay=1", "/overlay.js", "/overlay.css", "/recordings.js", "/keys.js"):
        assert local.ask_as_stranger(path)[0] == 401 and local.ask(path)[0] == 200, path


def test_a_snapshot_is_named_to_who_asked_and_has_the_labels(local):
    local.order("hide", "on")
    local.order("pause", "on")
    local.goes_on()
    name = local.snapshot()
    status, headers, png = local.ask(f"/recordings/{name}")
    assert status == 200 and headers["Content-Type"] == "image/png" and (local.folder / name).read_bytes() == png
    shown = local.web._shown
    assert np.array_equal(
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), View(shown.image, shown.readings, {}).drawn(ENGLISH)
    )
    assert not shown.labels
    for wrong in ({"Origin": "http://evil.example"}, {}):
        assert local.ask("/snapshot", "POST", b"", **wrong)[0] == 403
    assert local.ask("/snapshot", Origin=local.origin)[0] == 405
    assert local.ask_as_stranger("/snapshot", "POST", b"", Origin=local.origin)[0] == 401
    assert len(list(local.folder.glob("*.png"))) == 1


def test_snapshots_of_a_program_that_hangs_are_given_up_and_are_not_taken_later(tmp_path):
    with Running(tmp_path, "127.0.0.1", settings=HURRIED) as local:
        local.web._obey, obey = lambda: None, local.web._obey
        found: list[int] = []
        ask = [
            threading.Thread(target=lambda: found.append(local.ask("/snapshot", "POST", b"", Origin=local.origin)[0])) for _ in range(20)
        ]
        begin = time.monotonic()
        for one in ask:
            one.start()
        for one in ask:
            one.join()
        assert time.monotonic() - begin < 5 and set(found) == {503, 429} and found.count(503) == local.web.settings.orders
        local.web._obey = obey
        local.wait(lambda: local.web._orders.empty())
        local.goes_on()
    assert list(tmp_path.glob("*.png")) == []


def test_a_folder_that_cannot_be_written_is_told(local):
    local.controls.snapshot = lambda picture: None
    assert local.ask("/snapshot", "POST", b"", Origin=local.origin)[0] == 503


@pytest.mark.parametrize("which", [None, "", "yes", "On"])
def test_a_switch_wants_to_know_which_way(local, which):
    for do in ("pause", "mirror", "hide"):
        assert local.ask("/command", "POST", json.dumps({"do": do, "which": which}).encode(), Origin=local.origin)[0] == 400


def test_a_recording_is_a_row_that_plays_and_goes(local, browser, recorded):
    put(local, recorded, "2026-11-27_21-14-05", "talk")
    page = opened(browser, local)
    row = page.locator("#files li", has_text="Nov 27, 2026")
    row.scroll_into_view_if_needed()
    row.get_by_text(re.compile(r"0:0[23] · ")).wait_for(timeout=10_000)
    drawn = "one => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size"
    assert row.locator("canvas").evaluate(drawn) > 10
    row.get_by_role("button", name="Play").click()
    local.wait(lambda: page.locator("#screen video").evaluate("one => one.currentTime") > 0.2)
    page.keyboard.press("Escape")
    # A dialog tells of its end a moment after the key.
    local.wait(lambda: page.locator("#screen video").count() == 0)
    # By keyboard alone; Escape keeps it.
    delete = row.get_by_role("button", name="Delete")
    delete.focus()
    for key in ("Enter", "Escape"):
        page.keyboard.press(key)
    assert not page.locator("#question").is_visible() and (local.folder / "2026-11-27_21-14-05.mp4").exists()
    page.keyboard.press("Enter")
    assert "Nov 27, 2026" in page.locator("#question").inner_text()
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    row.wait_for(state="detached", timeout=5_000)
    assert sorted(path.name for path in local.folder.iterdir()) == ["talk.jsonl", "talk.mp4"]
    assert page.evaluate("document.activeElement.id") == "files-title" and page.faults == []
    page.close()


def test_a_film_that_the_browser_cannot_play_spoils_nothing(local, browser, recorded):
    (local.folder / "broken.mp4").write_bytes(b"x" * 1000)
    put(local, recorded, "whole")
    page = opened(browser, local)
    page.get_by_role("button", name="Play whole").scroll_into_view_if_needed()
    page.locator("#files li", has_text="whole").get_by_text(re.compile(r"0:0[23] · ")).wait_for(timeout=10_000)
    page.get_by_role("button", name="Play broken").click()
    page.get_by_text("This browser cannot play it").wait_for(timeout=5_000)
    page.get_by_role("button", name="Close").click()
    # It is not the program's own.
    assert page.get_by_role("button", name="Delete broken").count() == 0 and page.get_by_role("link", name="Download broken").count() == 1
    page.close()


def test_keys_do_what_the_windows_keys_do(local, browser):
    page, other = opened(browser, local), opened(browser, local)
    for key, id in ((" ", "pause"), ("m", "mirror"), ("O", "hide"), ("r", "record")):
        page.keyboard.press(key)
        is_pressed(page, id)
        is_pressed(other, id)
    assert page.title().startswith("REC") and other.title().startswith("REC")
    assert "picture paused" in other.locator("#notice").inner_text() and other.locator("body.stale").count() == 0
    for key, id in ((" ", "pause"), ("m", "mirror"), ("o", "hide"), ("r", "record")):
        other.keyboard.press(key)
        is_pressed(page, id, False)
    assert "REC" not in page.title()
    page.locator("#notice").wait_for(state="hidden")
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert re.fullmatch(r"[\d_-]+\.png", download.value.suggested_filename)
    page.keyboard.press("i")
    is_pressed(page, "numbered")
    assert other.locator("#numbered").get_attribute("aria-pressed") == "false"
    page.keyboard.press("f")
    is_pressed(page, "fill")
    assert page.evaluate("document.fullscreenElement.id") == "film"
    page.keyboard.press("?")
    page.locator("#help-card").wait_for()
    page.keyboard.press("h")
    page.locator("#help-card").wait_for(state="hidden")
    page.keyboard.press("f")
    is_pressed(page, "fill", False)
    page.keyboard.press("c")
    local.wait(lambda: local.cameras.chosen == ["0"])
    page.keyboard.press("p")
    local.wait(lambda: local.profiles.chosen == ["ana"])
    assert page.faults == other.faults == []
    page.close()
    other.close()


def test_keys_are_not_for_who_types_or_holds_them_or_means_the_browser(local, browser):
    page = opened(browser, local)
    orders = []
    page.on("request", lambda request: orders.append(request.post_data) if request.method == "POST" else None)
    page.locator("#camera").focus()
    for key in ("r", "m", "p"):
        page.keyboard.press(key)
    page.locator("#mirror").focus()
    for key in ("Control+m", "Alt+o", "Meta+m"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert orders == []
    for _ in range(5):
        page.keyboard.down("m")
    page.keyboard.up("m")
    is_pressed(page, "mirror")
    # The space bar presses the button that has the focus.
    page.keyboard.press(" ")
    is_pressed(page, "mirror", False)
    assert len(orders) == 2 and page.locator("#pause").get_attribute("aria-pressed") == "false"
    page.close()


def test_whoever_has_no_full_screen_gets_the_whole_page(local, browser):
    page = opened(browser, local, 390, 844, has_touch=True, is_mobile=True)
    page.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(new Error('none')); }")
    page.locator("#fill").tap()
    is_pressed(page, "fill")
    box = page.locator("#film").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    page.locator("#film.idle").wait_for(timeout=5_000)
    page.locator("#picture").tap(position={"x": 10, "y": 10})
    page.locator("#film:not(.idle)").wait_for()
    page.keyboard.press("Escape")
    is_pressed(page, "fill", False)
    page.close()


@pytest.mark.parametrize("language", ["de", "ja"])
def test_nothing_of_the_page_is_in_another_language(tmp_path, browser, language):
    with Running(tmp_path, "127.0.0.1", language=language) as running:
        (tmp_path / "a.jsonl").write_text("x")
        page = opened(browser, running, 390, 844)
        texts = page_texts(language)
        for id in ("pause", "mirror", "hide", "fill", "help"):
            assert page.locator(f"#{id}").inner_text() == texts[f"do_{id}"]
        page.keyboard.press("h")
        assert all(texts[key] in page.locator("#help-card").inner_text() for key in ("shared", "own", "help_box"))
        page.keyboard.press("h")
        assert page.locator("#files li").inner_text().count(texts["download"]) == 1
        running.ids = []
        page.get_by_text(texts["nobody"]).wait_for(timeout=5_000)
        running.why = message("no_face")
        page.locator("#notice", has_text=LANGUAGES[language].messages["no_face"]).wait_for(timeout=5_000)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.faults == []
        page.close()
    entrance = filled("entrance.html", language, problem="")
    assert texts["token_help"] in entrance.replace("&quot;", '"').replace("&#x27;", "'")


@pytest.mark.parametrize(("width", "dark"), [(320, False), (1280, True)])
def test_axe_finds_no_serious_fault_with_recordings_and_dialogs(local, browser, recorded, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    put(local, recorded, "2026-11-27_21-14-05", "talk")
    local.snapshot()
    page = opened(browser, local, width, 800, color_scheme="dark" if dark else "light")
    page.locator("#files li").nth(2).wait_for()

    def faults():
        found = Axe().run(page).response["violations"]
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in ("serious", "critical")]

    assert faults() == []
    page.keyboard.press("h")
    assert faults() == []
    page.keyboard.press("Escape")
    for name in ("Delete talk", "Show"):
        page.get_by_role("button", name=name).click()
        assert faults() == []
        page.keyboard.press("Escape")
    page.locator("#pause").click()
    is_pressed(page, "pause")
    assert faults() == []
    least = 44 if width < 800 else 24
    sizes = """[...document.querySelectorAll("main :is(button, a, select)")].map((one) => {
        const box = one.getBoundingClientRect(); return [one.outerHTML.slice(0, 80), Math.min(box.width, box.height)]; })"""
    assert [one for one in page.evaluate(sizes) if one[1] < least] == []
    page.close()


def test_the_overlay_has_boxes_and_labels_on_nothing(local, browser):
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.goto(local.web.address.replace("?", "?overlay=1&"))
    assert page.url.endswith("/?overlay=1")

    def seen():
        """How many pixels are not transparent, and whether the corner is."""
        picture = cv2.imdecode(np.frombuffer(page.screenshot(omit_background=True), np.uint8), cv2.IMREAD_UNCHANGED)
        return np.count_nonzero(picture[..., 3]), picture[-1, -1, 3] == 0

    local.wait(lambda: seen()[0] > 500)
    assert seen()[0] < 640 * 480 / 4 and seen()[1]
    local.order("pause", "on")
    local.ids = []
    local.wait(lambda: seen()[0] == 0)
    local.ids = [1, 2]
    local.wait(lambda: seen()[0] > 500)
    local.order("hide", "on")
    local.wait(lambda: seen()[0] == 0)
    local.order("hide", "off")
    local.wait(lambda: seen()[0] > 500)
    local.why = message("text", text="The camera is lost")
    local.wait(lambda: seen()[0] == 0)
    page.close()


def test_the_page_about_the_page_shows_the_overlay():
    picture = ROOT / "docs" / "pictures" / "overlay.jpg"
    assert picture.stat().st_size < 150_000 and "pictures/overlay.jpg" in (ROOT / "docs" / "page.md").read_text(encoding="utf-8")
    assert cv2.imread(str(picture)).shape[1] >= 400


PLACES = """() => Object.fromEntries([...document.querySelectorAll("header *, main *, footer *")].flatMap((one) => {
  const face = one.closest("article.face"), box = one.getBoundingClientRect();
  if (one.matches("#rates, .bar i, .what, #notice, #rec") || (one.closest(".face") && !face)) return [];
  const name = face ? [face.querySelector(".who").textContent, [...face.querySelectorAll("*")].indexOf(one)]
    : one.closest("#files") ? ["files", [...document.querySelectorAll("#files *")].indexOf(one)] : [one.tagName, one.id, one.className];
  return [[name.join(), [box.x, box.y, box.width, box.height]]];
}))"""
"""Left, top, width and height in pixels of all elements but those whose text or length shows a number."""


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_moves_while_faces_come_and_go(local, browser, recorded, width):
    put(local, recorded, "2026-11-27_21-14-05", "talk")
    local.snapshot()
    page = opened(browser, local, width)
    page.locator("#files li").nth(2).wait_for()
    before = page.evaluate(PLACES)
    for ids in ([1, 2, 3, 4], [2, 4], [], [5, 6, 7, 8, 9], [7]):
        local.ids = ids
        # So do a recording, a pause and hidden labels; pictures and lengths of recordings appear meanwhile.
        local.order("record", "start")
        for switch in ("hide", "mirror", "pause"):
            local.order(switch, "on" if len(ids) == 2 else "off")
        if len(ids) == 2:
            is_pressed(page, "pause")
            local.order("pause", "off")
        page.locator("#files button.thumb").last.scroll_into_view_if_needed()
        page.evaluate("scrollTo(0, 0)")
        local.wait(lambda ids=ids: sorted(page.locator("article.face .who").all_inner_texts()) == [f"Face {id}" for id in ids])
        now = page.evaluate(PLACES)
        both = now.keys() & before.keys()
        assert len(both) > 20 and all(now[name] == pytest.approx(before[name], abs=2) for name in both)
        before = now
    page.close()
