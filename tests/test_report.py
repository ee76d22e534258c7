"""The page about recordings, first as text, then in Chromium: opened, clicked, played, and read by axe-core."""

import base64
import csv
import errno
import io
import json
import os
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import call
from recordings import a_face, as_lines, even_times, write_film, write_readings

from realtime import __version__
from realtime.base.errors import Trouble
from realtime.config import ReportSettings
from realtime.readings.report import write_report
from realtime.readings.thumbnails import cut_out
from realtime.sources.films import DEMO
from realtime.values import LABELS
from realtime.viewers.web.recordings import open_report

SETTINGS = ReportSettings()
TIMES = even_times(300)


def script(i: int) -> list[dict]:
    """Happy, in doubt, then sad, with a second person towards the end."""
    first = a_face("happiness") if i < 120 else a_face("happiness", "tie", share=0.4) if i < 150 else a_face("sadness")
    return [first, a_face("surprise", id=2)] if i >= 200 else [first]


def record(folder: Path, name: str = "a", **facts) -> Path:
    """The demo clip and readings beside it, without a recorder; gives the readings file."""
    shutil.copy(DEMO, folder / f"{name}.mp4")
    return write_readings(folder / f"{name}.jsonl", as_lines(TIMES, script), **{"width": 640, "height": 480, **facts})


@pytest.fixture
def recorded(tmp_path):
    """The demo clip with readings beside it, by name."""
    return partial(record, tmp_path)


def page_of(*files: Path, out: Path | None = None, settings: ReportSettings = SETTINGS) -> str:
    out = out or files[0].with_name("page.html")
    write_report(files, out, settings)
    return out.read_text()


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    """The page about such a recording, to be looked at: making one takes half a second."""
    path = record(tmp_path_factory.mktemp("example"))
    page_of(path)
    return path.with_name("page.html")


def body_of(page: str) -> str:
    """Without the scripts, the data and the style."""
    return page[page.index("<main>") : page.index("</main>")]


def shades(page: str) -> list[np.ndarray]:
    """The thumbnails in gray."""
    jpegs = [face["url"].split(",")[1] for track in data_of(page)[0]["tracks"] for face in track["faces"]]
    return [cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_GRAYSCALE) for jpeg in jpegs]


def data_of(page: str) -> list[dict]:
    """What the page's scripts take."""
    return json.loads(page[page.index('id="data">') + 10 :].split("</script>")[0])


def test_the_page_has_runs_facts_and_a_track_each(recorded):
    page = page_of(recorded(machine={"cpu": "EPYC", "cores": 2, "board": None}, settings={"min_face": 0.1}))
    body, (data,) = body_of(page), data_of(page)
    first, second = data["tracks"]
    happiness, sadness = LABELS.index("happiness"), LABELS.index("sadness")
    assert first["runs"] == [[0, 4000, happiness, None], [4000, 5000, happiness, "tie"], [5000, 10000, sadness, None]]
    assert [run[:2] for run in second["runs"]] == [[6667, 10000]]
    assert (data["groups"], data["duration"]) == ([[1], [2]], pytest.approx(10.0, abs=0.01))
    assert "machine board" not in body
    for name, value in (("machine cpu", "EPYC"), ("machine cores", "2"), ("settings min face", "0.1"), ("model name", "emotion.tflite")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in body


def test_the_page_says_which_version_recorded_and_which_wrote_it(recorded):
    page = page_of(recorded(program={"version": "0.1.2"}))
    assert "<dt>program version</dt><dd>0.1.2</dd>" in body_of(page)
    assert f"version {__version__} of" in page[page.index("</main>") :]


def test_each_expression_that_was_shown_has_a_face_to_go_to(recorded):
    page = page_of(recorded())
    faces = [face for track in data_of(page)[0]["tracks"] for face in track["faces"]]
    assert [face["t"] for face in faces] == [0.0, 5.0, pytest.approx(6.667)]
    assert [LABELS[face["label"]] for face in faces] == ["happiness", "sadness", "surprise"]
    assert body_of(page).count("data:image/jpeg") == SETTINGS.stills


@pytest.mark.parametrize("privacy", ["blur", "numbers"])
def test_with_privacy_there_are_no_faces(recorded, privacy):
    assert "data:image/jpeg" not in page_of(recorded(privacy=privacy))


def test_the_video_is_linked_from_where_the_page_lies(recorded):
    path = recorded("a & b")
    (path.parent / "pages").mkdir()
    assert 'src="a%20%26%20b.mp4"' in page_of(path)
    assert 'src="../a%20%26%20b.mp4"' in page_of(path, out=path.parent / "pages" / "page.html")


@pytest.mark.parametrize("damage", [b"", b"no video at all"])
def test_without_a_video_that_plays_the_page_has_the_numbers(recorded, damage):
    path = recorded()
    path.with_suffix(".mp4").unlink()
    if damage:
        path.with_suffix(".mp4").write_bytes(damage)
    page = page_of(path)
    assert ("<video" in body_of(page), len(data_of(page)[0]["tracks"]), "data:image/jpeg" in page) == (bool(damage), 2, False)


def test_a_clean_video_is_taken_where_there_is_no_other(recorded):
    path = recorded()
    path.with_suffix(".mp4").rename(path.with_name("a_clean.mp4"))
    assert 'src="a_clean.mp4"' in body_of(page_of(path))


def test_nothing_from_a_file_is_taken_for_html(tmp_path):
    evil = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    lines = as_lines([0.0, 1.0, 2.0], lambda i: [a_face(unsure=evil)])
    path = write_readings(tmp_path / "<b>&amp;.jsonl", lines, source=evil, model={evil: evil})
    path.write_text(path.read_text() + evil + "\n")
    page = page_of(path, path, out=tmp_path / "page.html")
    assert not any(part in page for part in ("<script>window", "<img", "<b>"))
    assert "&lt;b&gt;&amp;amp;" in page


def test_a_cut_recording_makes_a_page_that_says_so_and_an_empty_one_too(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(50), lambda i: []))
    path.write_bytes(path.read_bytes()[:-9])
    body = body_of(page_of(path))
    assert "cut off" in body
    assert "No face was seen" in body
    assert "No face was seen" in page_of(write_readings(tmp_path / "b.jsonl", []))


def test_passers_by_are_counted_but_whoever_is_alone_is_shown(tmp_path):
    def faces(i):
        return [a_face(), *([a_face(id=2 + i)] if i < 5 else [])]

    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(90), faces))
    page = page_of(path)
    assert (data_of(page)[0]["groups"], "5 more faces were" in body_of(page)) == ([[1]], True)
    short = write_readings(tmp_path / "b.jsonl", as_lines(even_times(3)))
    assert data_of(page_of(short))[0]["groups"] == [[1]]
    assert len(data_of(page_of(path, settings=replace(SETTINGS, least_s=0.0, people=2)))[0]["groups"]) == 2
    assert len(data_of(page_of(path, settings=replace(SETTINGS, least_s=0.0, tracks=3)))[0]["tracks"]) == 3


@pytest.mark.parametrize(
    "box", [(40, 20, 90, 70), (-30, -30, 20, 20), (100, 80, 160, 140), (-500, -500, 900, 900), (5, 5, 5, 5), (500, 500, 520, 520)]
)
def test_a_face_is_cut_out_square_and_within_the_picture(box):
    image = np.full((96, 128, 3), 200, np.uint8)
    thumbnail = cut_out(image, np.array(box, np.float32), SETTINGS)
    assert thumbnail.shape == (160, 160, 3)
    assert (thumbnail == 200).all()


def test_a_thumbnail_shows_the_frame_of_its_time(tmp_path):
    times = [0.0, 0.3, 1.0, 1.1, 2.0, 2.7]
    path = write_readings(tmp_path / "a.jsonl", as_lines(times, lambda i: [a_face(share=0.9 if i == 3 else 0.8)]))
    write_film(tmp_path / "a.mp4", times, hue=lambda i: 40 * i)
    (grey,) = shades(page_of(path))
    assert abs(float(grey.mean()) - (120 + 20)) < 8


def test_a_thumbnail_is_where_the_face_is_also_in_a_smaller_video(tmp_path):
    face = {**a_face(), "box": [176.0, 112.0, 240.0, 176.0]}
    path = write_readings(tmp_path / "a.jsonl", as_lines([0.0], lambda i: [face]), width=256, height=192)
    film = np.zeros((96, 128, 3), np.uint8)
    film[52:92, 84:124] = 200
    write_film(tmp_path / "a.mp4", [0.0], image=film)
    assert shades(page_of(path))[0].mean() > 150


def test_a_page_that_cannot_be_written_is_reported(recorded, tmp_path):
    with pytest.raises(Trouble, match="cannot write"):
        write_report([recorded()], tmp_path, SETTINGS)


def test_a_page_that_fails_leaves_the_old_one_and_no_part(recorded, monkeypatch):
    path = recorded()
    page = path.with_name("page.html")
    page.write_text("the old one")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Trouble, match="No space left on device"):
        page_of(path)
    assert page.read_text() == "the old one"
    assert {file.suffix for file in path.parent.iterdir()} == {".html", ".jsonl", ".mp4"}


def test_a_part_of_a_page_is_not_served_but_made_again(recorded):
    path = recorded()
    page = path.with_suffix(".html")

    def served() -> bytes:
        with open_report(path.parent, "a", set()) as file:
            return file.read()

    whole = served()
    assert page.read_bytes() == whole
    page.write_bytes(whole[:-300])
    assert served() == whole
    page.write_bytes(whole.replace(b"Expressions", b"Impressions"))
    assert b"Impressions" in served()


def test_the_command_names_the_page_and_keeps_what_exists(recorded):
    path = recorded()
    done = call("report", path.with_suffix(".mp4"))
    page = path.with_suffix(".html")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {page}\n", "")
    page.write_text("mine")
    done = call("report", path)
    assert (done.returncode, done.stderr.count("\n"), "exists and is kept" in done.stderr, page.read_text()) == (1, 1, True, "mine")
    assert call("report", path, "--overwrite").returncode == 0
    assert page.read_text() != "mine"


def test_the_verify_command_has_a_line_a_file_or_a_problem(recorded):
    whole, other = recorded("whole"), recorded("other")
    done = call("verify", whole)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{whole}: whole.mp4 and whole.jsonl: 300 frames, 10.0 s, whole\n", "")
    other.write_bytes(other.read_bytes()[:-40])
    done = call("verify", other, whole, whole.with_name("none.mp4"))
    assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (1, 1, 3)
    assert all(line.startswith("run.py: ") for line in done.stderr.splitlines())


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a page; at the end it must have had no error, and asked for nothing but itself and the videos beside it."""
    contexts, errors, requests = [], [], []

    def open_page(path: Path, dark: bool = False, width: int = 1280):
        context = browser.new_context(color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        if page.locator("video").count():
            until(page, "[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert all((url.startswith("file:") and url.endswith((".html", ".mp4"))) or url.startswith(("data:", "blob:")) for url in requests)


def until(page, true: str, seconds: float = 15.0) -> None:
    """Waits for an expression to hold; the page's own policy forbids what Playwright has for that."""
    end = time.monotonic() + seconds
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        time.sleep(0.05)


def settled(page) -> float:
    """The video's time, after it has got where it was sent."""
    until(page, "!document.querySelector('video').seeking")
    return page.evaluate("document.querySelector('video').currentTime")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_click_in_the_timeline_moves_the_video_and_the_video_moves_the_cursor(example, opened, width):
    page = opened(example, width=width)
    plot = page.locator(".chart .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    for share in (0.71, 0.05, 0.5):
        plot.click(position={"x": share * box["width"], "y": box["height"] / 2})
        assert abs(settled(page) - share * 10.0) < 0.1
    page.evaluate("document.querySelector('video').currentTime = 3")
    settled(page)
    until(page, "document.querySelector('output').textContent.startsWith('0:03.0')")
    heads = page.evaluate("[...document.querySelectorAll('.playhead')].map(h => parseFloat(h.style.left) / h.parentElement.clientWidth)")
    assert len(heads) == 2
    assert all(abs(head * 10.0 - 3.0) < 0.1 for head in heads)
    for moment, label in ((3.95, "happiness"), (4.05, "unsure (tie)"), (4.95, "unsure (tie)"), (5.05, "sadness")):
        page.evaluate(f"document.querySelector('video').currentTime = {moment}")
        settled(page)
        until(page, f"document.querySelector('.who').textContent === 'Person 1: {label}'")
    page.locator("[data-seek]").nth(1).click()
    assert abs(settled(page) - 5.0) < 0.1
    page.locator("input[type=range]").press("End")
    assert abs(settled(page) - 10.0) < 0.1


def test_dragging_zooms_all_charts_and_a_double_click_shows_all_again(example, opened):
    page = opened(example)

    def ranges() -> list[list[float]]:
        return page.evaluate("data[0].charts.map(c => [c.min, c.max])")

    plot = page.locator(".chart .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    places = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for share in (0.8, 0.4)]
    drawn = page.evaluate("data[0].charts.map(c => c.svg.innerHTML)")
    # From right to left.
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=3)
    assert page.locator(".selection").first.bounding_box()["width"] == pytest.approx(0.4 * box["width"], abs=2)
    page.mouse.up()
    assert ranges() == [[pytest.approx(4.0, abs=0.05), pytest.approx(8.0, abs=0.05)]] * 2
    assert all(now != before for now, before in zip(page.evaluate("data[0].charts.map(c => c.svg.innerHTML)"), drawn, strict=True))
    # Dragging does not move the video; a click does, on the new scale.
    assert settled(page) == 0.0
    plot.click(position={"x": 0.25 * box["width"], "y": 60})
    assert abs(settled(page) - 5.0) < 0.1
    plot.dblclick(position={"x": 0.25 * box["width"], "y": 60})
    assert ranges() == [[0, 10]] * 2


def rows_of(page, card: int) -> list[list[str]]:
    """The table of what was shown, of the card with this index."""
    return page.evaluate(
        "(i) => [...document.querySelectorAll('.person')[i].querySelector('table').querySelectorAll('tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent).filter(Boolean))",
        card,
    )


def test_cards_tell_shares_switches_and_doubt_of_the_stretch_that_is_shown(example, opened):
    page = opened(example)
    assert page.locator(".person h3").evaluate_all("titles => titles.map((title) => title.firstChild.textContent)") == [
        *("Everybody: 2 people", "Person 1", "Person 2"),
    ]
    assert rows_of(page, 1) == [
        ["happiness", "40 %", "4.0 s", "0"],
        ["sadness", "50 %", "5.0 s", "1"],
        ["unsure", "10 %", "1.0 s"],
        ["tie", "10 %", "1.0 s"],
    ]
    assert rows_of(page, 0)[2] == ["surprise", "25 %", "3.3 s", "0"]
    assert page.locator("details.brief summary").first.inner_text() == "1 person was there for less than 5 s"
    page.evaluate("zoom(data[0], 3, 5)")
    until(page, "document.querySelectorAll('.person')[1].querySelector('h4').textContent === 'Shown from 0:03.0 to 0:05.0'")
    assert rows_of(page, 1) == [["happiness", "50 %", "1.0 s", "0"], ["unsure", "50 %", "1.0 s"], ["tie", "50 %", "1.0 s"]]


def titles(page) -> list[str]:
    return page.evaluate("data[0].people.map((person) => person.title)")


def test_people_are_merged_named_split_and_left_out_and_the_address_keeps_it(example, opened):
    page = opened(example)
    page.locator(".edit summary").first.click()
    page.locator("[data-edit='name 1']").fill("<b>Ada</b> & co_")
    page.locator("[data-edit='name 1']").press("Enter")
    until(page, "data[0].people[0].title !== 'Person 1'")
    # The "_" divides people in the address.
    assert titles(page) == ["<b>Ada</b> & co ", "Person 2"]
    assert page.locator("h3 b").count() == 0
    page.locator(".edit summary").first.click()
    page.locator(".edit select").first.select_option("2")
    until(page, "data[0].people.length === 1")
    # Of two who were there at once the earlier one counts.
    assert page.evaluate("data[0].people[0].all.seen") == pytest.approx(10.0, abs=0.01)
    again = opened(example)
    again.goto(page.url)
    assert again.evaluate("data[0].people.map((person) => person.ids)") == [[1, 2]]
    page.locator(".edit summary").first.click()
    page.locator("button", has_text="Split off track 2").click()
    until(page, "data[0].people.length === 2")
    page.locator(".edit summary").first.click()
    page.locator("button", has_text="Leave out").first.click()
    until(page, "data[0].people.length === 1")
    assert titles(page) == ["Person 2"]
    page.locator("button", has_text="Bring").click()
    until(page, "data[0].people.length === 2")
    page.go_back()
    until(page, "data[0].people.length === 1")


@pytest.mark.parametrize("text", ["", "_", "1.1.2_2", "9999", "1!*%00_<script>", "2*" + "x" * 500, "a.b!!**", "1.2!"])
def test_no_address_breaks_the_page_or_loses_a_track(example, opened, text):
    page = opened(example)
    ids = page.evaluate("(text) => peopleOf(data[0], text).flatMap(({ ids }) => ids).sort()", text)
    assert ids == [1, 2]
    page.evaluate("(text) => { location.hash = new URLSearchParams({ s0: text }).toString(); }", text)
    until(page, "document.querySelector('.cards').children.length > 0")


def test_several_recordings_are_one_table(recorded, opened):
    path = recorded("morning")
    page_of(path, recorded("evening"))
    page = opened(path.with_name("page.html"))
    rows = page.locator(".compare tbody tr:not(.sum)").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    people = [["10.0 s", "1", "10 %"], ["3.3 s", "0", "0 %"]]
    assert [row[0] for row in rows] == [f"{name}, Person {i}" for name in ("morning", "evening") for i in (1, 2)]
    assert [row[2:] for row in rows] == people * 2
    assert page.locator("video").count() == 2


def saved(page, text: str, at: int = 0) -> bytes:
    with page.expect_download() as download:
        page.locator("button", has_text=text).nth(at).click()
    return Path(download.value.path()).read_bytes()


def test_charts_and_tables_are_saved(example, opened):
    page = opened(example, dark=True)
    assert cv2.imdecode(np.frombuffer(saved(page, "as PNG"), np.uint8), cv2.IMREAD_COLOR).std() > 20
    picture = saved(page, "Save chart as SVG").decode()
    assert picture.startswith("<svg") and "happiness" in picture and "var(" not in picture
    page.locator("summary", has_text="Mean and peak").first.click()
    page.locator("select[aria-label=Interval]").first.select_option("10")
    table = list(csv.reader(io.StringIO(saved(page, "Save as CSV", 2).decode())))
    means = dict(zip(table[0], table[1], strict=True))
    assert (len(table), means["from s"], means["to s"]) == (2, "0", "10")
    assert float(means["sadness mean"]) == pytest.approx(0.5 * 0.88 + 0.4 * 0.02 + 0.1 * 0.1, abs=0.005)
    assert float(means["sadness peak"]) == pytest.approx(0.88, abs=0.003)
    page.locator("summary", has_text="Which expression followed").nth(1).click()
    assert page.evaluate("csv([['=1+1', 'a\"b,c', -1]])") == '\'=1+1,"a""b,c",-1\r\n'
    assert page.evaluate("matrixRows(data[0], data[0].people[0].all)[1 + data[0].labels.indexOf('happiness')]") == [
        "happiness",
        *(1 if label == "sadness" else 0 for label in LABELS),
    ]


def test_no_script_of_a_hostile_file_or_address_runs_in_the_browser(tmp_path, opened):
    evil = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    labels = [f"{i}{evil}" for i in range(7)]

    def faces(i):
        return [a_face("anger", evil if i > 50 else None) | {"label": labels[0]}, a_face("fear", id=2) | {"label": labels[2]}]

    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(300, 10.0), faces), labels=labels, source=evil)
    page_of(path)
    page = opened(tmp_path / "page.html")
    page.evaluate("(name) => { location.hash = new URLSearchParams({ s0: `1*${name}_2!*${name}` }).toString(); }", evil)
    until(page, "data[0].people.length === 1 && data[0].people[0].name !== ''")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    until(page, "document.querySelectorAll('.tall td').length > 0")
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert evil[:60] in page.locator("h3").first.text_content()


def test_switches_are_counted_over_doubt_and_absence(tmp_path, opened):
    shown = ["anger", "tie", "anger", "", "anger", "fear", "tie", "neutral", "fear"]

    def faces(i):
        if not shown[i]:
            return []
        return [a_face("anger", "tie") if shown[i] == "tie" else a_face(shown[i])]

    page_of(write_readings(tmp_path / "a.jsonl", as_lines(even_times(9, 10.0), faces)))
    sums = opened(tmp_path / "page.html").evaluate("(({ seen, doubt, switches }) => ({ seen, doubt, switches }))(data[0].people[0].all)")
    assert {label: n for label, n in zip(LABELS, sums["switches"], strict=True) if n} == {"fear": 2, "neutral": 1}
    assert (sums["seen"], sums["doubt"]) == (pytest.approx(0.8), pytest.approx(0.2))


def test_the_zoom_has_buttons_and_an_overview_and_follows_the_film_also_on_a_phone(example, opened):
    page = opened(example, width=320)
    shown = "[data[0].range.min, data[0].range.max]"
    for _ in range(2):
        page.locator("[data-zoom=near]").click()
    assert page.evaluate(shown) == pytest.approx([0.0, 2.5])
    page.evaluate("document.querySelector('video').currentTime = 7")
    settled(page)
    until(page, f"{shown}[0] <= 7 && {shown}[1] >= 7")
    bar = page.locator(".overview .bar").bounding_box()
    page.locator(".overview .bar").click(position={"x": bar["width"] / 2, "y": 8})
    assert page.evaluate(shown) == pytest.approx([3.75, 6.25], abs=0.1)
    page.locator("[data-zoom=far]").click()
    assert page.evaluate(shown)[1] - page.evaluate(shown)[0] == pytest.approx(5.0)
    page.locator("[data-zoom=all]").click()
    assert page.evaluate(shown) == [0, 10]
    assert page.locator("[data-zoom=all]").is_disabled()


def test_the_film_stays_in_sight(example, opened):
    for width in (320, 768, 1280):
        page = opened(example, width=width)
        page.evaluate("scrollTo(0, 700)")
        assert page.evaluate("scrollY") > 300
        box = page.locator("video").bounding_box()
        assert (box["y"] >= 0, box["y"] + box["height"] <= 900) == (True, True)


def test_the_numbers_beside_the_film_add_up_to_a_hundred_at_every_moment(tmp_path, opened):
    chance = np.random.default_rng(1)

    def faces(i):
        probs = chance.dirichlet([0.5] * 7)
        return [a_face(LABELS[int(probs.argmax())]) | {"probs": [round(float(p), 4) for p in probs]}]

    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(3000), faces))
    page_of(path, settings=replace(SETTINGS, points=200, moments=500))
    page = opened(tmp_path / "page.html")
    sums = """
    Array.from({ length: 90 }, (_, s) => {
      seek(data[0], s + 0.4);
      return [...document.querySelectorAll(".now li span:last-child")].reduce((sum, part) => sum + parseInt(part.textContent), 0);
    })
    """
    assert set(page.evaluate(sums)) == {100}


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(10, ["0:00", "0:01", "0:02"]), (90, ["0:00", "0:10", "0:20"]), (600, ["0:00", "1:00", "2:00"]), (3, ["0:00.0", "0:00.5", "0:01.0"])],
)
def test_ticks_are_round_times_and_durations_are_minutes(tmp_path, opened, seconds, first):
    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(seconds * 10 + 1, 10.0)))
    page_of(path)
    page = opened(tmp_path / "page.html")
    assert page.locator(".tick").evaluate_all("ticks => ticks.slice(0, 3).map((tick) => tick.textContent)") == first
    assert page.evaluate("[span(5.64), span(59.97), span(520), span(3600), span(3900)]") == [
        *("5.6 s", "1 min 0 s", "8 min 40 s", "1 h 0 min", "1 h 5 min"),
    ]


def test_a_pointer_over_one_chart_tells_what_every_person_shows_there(example, opened):
    page = opened(example)
    plot = page.locator(".chart .plot").first
    plot.hover(position={"x": 0.8 * plot.bounding_box()["width"], "y": 60})
    assert page.locator(".readout").all_text_contents() == ["0:08  sadness", "0:08  surprise"]
    assert page.locator(".cursor").evaluate_all("lines => lines.map(line => line.style.display)") == ["block", "block"]
    page.mouse.move(5, 5)
    assert page.locator(".readout").all_text_contents() == ["", ""]


STRIP_AT = """
([chart, s]) => {
  const { svg } = chart = data[0].charts[chart], place = new DOMPoint(chart.x(s), chart.y(7.3));
  return [...svg.querySelectorAll(":scope > path")].filter((path) => path.isPointInFill(place)).map((path) => path.getAttribute("fill"));
}
"""


def test_the_chart_has_the_colour_of_what_was_shown_and_nothing_where_the_face_was_away(example, opened):
    page = opened(example)
    colours = page.evaluate("data[0].colours")
    happiness, sadness, surprise = (colours[LABELS.index(label)] for label in ("happiness", "sadness", "surprise"))
    places = [(0, 1.0), (0, 9.0), (1, 9.0), (1, 3.0)]
    assert [page.evaluate(STRIP_AT, list(place)) for place in places] == [[happiness], [sadness], [surprise], []]
    (doubt,) = page.evaluate(STRIP_AT, [0, 4.5])
    assert doubt.startswith("url(#unsure")


ON_PAPER = """
[...document.querySelectorAll(".chart svg, table, .stills, .faces")].map((part) => {
  const { left, right, height } = part.getBoundingClientRect();
  return left >= 0 && right <= innerWidth && height > 50;
})
"""


@pytest.mark.parametrize("inches", [8.27, 8.5])
def test_on_paper_nothing_is_cut_and_stills_stand_for_the_film(example, opened, inches):
    page = opened(example, dark=True)
    page.set_viewport_size({"width": round((inches - 2 * 14 / 25.4) * 96), "height": 900})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert set(page.evaluate(ON_PAPER)) == {True}
    widths = "[...document.querySelectorAll('.chart svg')].map((chart) => chart.viewBox.baseVal.width)"
    assert page.evaluate(widths) == [page.evaluate("PAPER_PX")] * 2
    shown = "(name) => [...document.querySelectorAll(name)].map((part) => part.checkVisibility())"
    assert {name: set(page.evaluate(shown, name)) for name in ("video", ".seek", ".plot", ".stills img", "dl")} == {
        "video": {False},
        ".seek": {False},
        ".plot": {False},
        ".stills img": {True},
        "dl": {True},
    }
    looks = "(name) => [...document.querySelectorAll(name)].map((part) => getComputedStyle(part).printColorAdjust)"
    assert set(page.evaluate(looks, ".bar i, .key, .chart path")) == {"exact"}
    assert page.evaluate("[...document.querySelectorAll('.person')].map((card) => getComputedStyle(card).breakInside)") == ["avoid"] * 3
    assert page.evaluate("getComputedStyle(document.querySelector('h3')).color") == "rgb(28, 28, 26)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details").first.get_attribute("open") is None


def test_the_video_plays_to_its_last_frame_and_the_page_follows(example, opened):
    page = opened(example)
    page.evaluate("v = document.querySelector('video'); v.muted = true; v.currentTime = 9; v.play()")
    until(page, "document.querySelector('video').ended")
    assert settled(page) > 9.9
    until(page, "document.querySelector('output').textContent.startsWith('0:10.0')")
    assert page.locator(".now .who").all_inner_texts() == ["Person 1: sadness", "Person 2: surprise"]


def test_a_video_that_is_gone_is_reported_on_the_page(recorded, browser):
    path = recorded()
    page_of(path)
    path.with_suffix(".mp4").unlink()
    page = browser.new_page()
    page.goto(path.with_name("page.html").as_uri())
    page.locator(".gone").wait_for(state="visible", timeout=10_000)
    assert "a.mp4 cannot be played" in page.locator(".gone").inner_text()
    page.close()


@pytest.mark.parametrize(("dark", "width", "several"), [(False, 390, False), (True, 1280, False), (False, 1280, True), (True, 390, True)])
def test_axe_finds_no_fault_and_nothing_is_wider_than_the_screen(recorded, opened, dark, width, several):
    from axe_playwright_python.sync_playwright import Axe

    files = [recorded("a"), recorded("b")] if several else [recorded()]
    page_of(*files)
    page = opened(files[0].with_name("page.html"), dark, width)
    faults = Axe().run(page).response["violations"]
    assert [(f["id"], [n["html"] for n in f["nodes"]]) for f in faults] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_page_without_a_video_works_by_itself(tmp_path, opened):
    path = write_readings(tmp_path / "a.jsonl", as_lines(TIMES, script))
    page_of(path)
    page = opened(tmp_path / "page.html")
    box = page.locator(".chart .plot").first.bounding_box()
    page.locator(".chart .plot").first.click(position={"x": 0.2 * box["width"], "y": 50})
    assert page.evaluate("data[0].time") == pytest.approx(2.0, abs=0.05)
    assert page.locator(".now .who").first.inner_text() == "Person 1: happiness"


def test_several_recordings_have_sums_of_everybody_and_of_names_that_readers_gave(recorded, opened):
    path = recorded("morning")
    page_of(path, recorded("evening"))
    page = opened(path.with_name("page.html"))

    def sums() -> list[list[str]]:
        return page.locator(".compare tbody tr.sum").evaluate_all(
            "rows => rows.map((row) => [...row.children].filter((_, i) => i !== 1).map((cell) => cell.textContent))"
        )

    everybody = ["2 recordings, everybody", "26.7 s", "2"]
    assert [row[:3] for row in sums()] == [everybody]
    for i in (0, 1):
        page.evaluate(f"writeAddress(data[{i}], readAddress(data[{i}]).map((one) => one.ids[0] === 1 ? {{ ...one, name: 'Ada' }} : one))")
        until(page, f"data[{i}].people[0].title === 'Ada'")
    assert [row[:3] for row in sums()] == [["2 recordings, Ada", "20.0 s", "2"], everybody]
    with page.expect_download() as download:
        page.locator(".compare > button").click()
    content = Path(download.value.path()).read_text()
    assert [line.split(",")[:3] for line in content.splitlines()[-2:]] == [
        ["2 recordings", "Ada", "20.000"],
        ["2 recordings", "everybody", "26.666"],
    ]


def test_two_fingers_zoom_and_the_times_under_them_stay(example, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(example.as_uri())
    plot = page.locator(".plot").first
    # Below the film, which stays in sight.
    plot.evaluate("plot => scrollBy(0, plot.getBoundingClientRect().top - 560)")
    box, touch = plot.bounding_box(), context.new_cdp_session(page)

    def at(*shares: float) -> list[dict[str, float]]:
        return [{"x": box["x"] + share * box["width"], "y": box["y"] + 60, "id": i} for i, share in enumerate(shares)]

    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0.4, 0.6)})
    for step in range(1, 6):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(0.4 - 0.04 * step, 0.6 + 0.04 * step)})
    # From 4 to 6 s lay under the fingers, which are three times as far apart now.
    until(page, "data[0].range.max - data[0].range.min < 3.5")
    shown = page.evaluate("[data[0].range.min, data[0].range.max]")
    assert shown == pytest.approx([5 - 5 / 3, 5 + 5 / 3], abs=0.1)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0.5)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(0.9)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("[data[0].range.min, data[0].range.max]") == shown
    context.close()


def notes_of(page) -> list[tuple[str, str]]:
    rows = page.locator(".notes li")
    return [(row.locator("button").first.text_content(), row.locator("span").text_content()) for row in rows.all()]


def test_notes_are_written_by_key_and_kept_in_the_address(example, opened):
    page = opened(example)
    page.evaluate("seek(data[0], 6.5)")
    page.keyboard.press("e")
    until(page, "document.querySelectorAll('.notes li').length === 1")
    page.evaluate("seek(data[0], 3.2)")
    page.keyboard.press("n")
    page.keyboard.type('she says "no" & <b>leaves</b>, n_e')
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.notes li').length === 2")
    assert notes_of(page) == [("0:03.2", 'she says "no" & <b>leaves</b>, n e'), ("0:06.5", "event")]
    assert page.locator(".overview .mark").count() == 2
    table = list(csv.reader(io.StringIO(saved(page, "Save as CSV", 0).decode())))
    assert table == [["recording", "time s", "note"], ["a", "3.200", 'she says "no" & <b>leaves</b>, n e'], ["a", "6.500", "event"]]
    page.reload()
    assert len(notes_of(page)) == 2
    page.locator(".notes li button").first.click()
    until(page, "Math.abs(data[0].time - 3.2) < 0.05")
    page.locator("[aria-label='Delete the note at 0:03.2']").click()
    until(page, "document.querySelectorAll('.notes li').length === 1")
    page.go_back()
    until(page, "document.querySelectorAll('.notes li').length === 2")


@pytest.mark.parametrize("text", ["*", "1*a_2", "99999*late", "1e9*x", "-1*x", "1.5*<img src=x onerror=window.hacked=1>", "_" * 5000])
def test_no_note_of_an_address_breaks_the_page(example, opened, text):
    page = opened(example)
    page.evaluate("(text) => { location.hash = new URLSearchParams({ s0n: text }).toString(); }", text)
    page.reload()
    assert page.locator(".person").count() > 0
    assert page.locator(".notes li").count() == int(text.startswith(("1*a", "1.5*")))
    assert page.evaluate("window.hacked === undefined")


def test_many_people_have_a_heat_map(tmp_path, opened):
    def faces(i):
        return [a_face("happiness" if id == 3 else "neutral", id=id) | {"box": [100.0 * id, 20, 100.0 * id + 50, 70]} for id in (1, 2, 3)]

    path = write_readings(tmp_path / "a.jsonl", as_lines(TIMES, faces), width=640, height=480)
    page_of(path)
    page = opened(path.with_name("page.html"))
    page.locator("summary", has_text="Everybody over time").click()
    page.locator("[aria-label='Expression of the heat map']").select_option(label="happiness")
    cells = page.locator("[aria-label^='Heat map of happiness'] rect[fill-opacity]")
    told = cells.evaluate_all("cells => cells.map((cell) => [cell.getAttribute('fill-opacity'), cell.textContent.split(',')[0]])")
    assert {(opacity, who) for opacity, who in told} == {("0.88", "Person 3"), ("0.02", "Person 1"), ("0.02", "Person 2")}
    assert len(told) == 3 * 10
    picture = cv2.imdecode(np.frombuffer(saved(page, "Save as PNG"), np.uint8), cv2.IMREAD_COLOR)
    assert picture.std() > 20
    few = write_readings(tmp_path / "b.jsonl", as_lines(TIMES), width=640, height=480)
    page_of(few, out=tmp_path / "few.html")
    assert opened(tmp_path / "few.html").locator("summary", has_text="Everybody over time").count() == 0
