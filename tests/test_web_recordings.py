"""The recordings that the page offers: their list, and downloads that no link leads out of the folder."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from preview import Running
from starlette.datastructures import Headers

from realtime.viewers.web.downloads import requested_range
from realtime.viewers.web.recordings import is_offered, list_recordings, open_file

SECRET = b"secret"


@pytest.fixture
def local(tmp_path):
    with Running(tmp_path / "recordings", "127.0.0.1") as running:
        running.folder.mkdir()
        yield running


@pytest.fixture
def folder(tmp_path):
    """With a recording "a.mp4"; beside it lies a file that nobody may have."""
    (tmp_path / "secret.mp4").write_bytes(SECRET)
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"mine")
    return folder


def replace_by_link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize("refuses_links", [True, False])
@pytest.mark.parametrize("put_back", [True, False])
def test_a_link_put_in_place_of_a_recording_before_it_is_opened_leads_nowhere(folder, monkeypatch, refuses_links, put_back):
    """The last moment before the file is opened; then the recording is there again, or not. `refuses_links`: whether the system can."""
    if not refuses_links:
        monkeypatch.delattr(os, "O_NOFOLLOW")
    open_before = os.open

    def open_after_change(path, flags, *more, **named):
        (folder / "a.mp4").rename(folder / "b.mp4")
        (folder / "a.mp4").symlink_to(folder.parent / "secret.mp4")
        try:
            return open_before(path, flags, *more, **named)
        finally:
            if put_back:
                (folder / "b.mp4").replace(folder / "a.mp4")

    monkeypatch.setattr(os, "open", open_after_change)
    assert open_file(folder, "a.mp4") is None


@pytest.mark.parametrize("refuses_links", [True, False])
def test_a_recording_that_is_there_is_opened(folder, monkeypatch, refuses_links):
    if not refuses_links:
        monkeypatch.delattr(os, "O_NOFOLLOW")
    with open_file(folder, "a.mp4") as file:
        assert file.read() == b"mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_opened(folder):
    os.mkfifo(folder / "pipe.mp4")
    (folder / "folder.mp4").mkdir()
    assert open_file(folder, "pipe.mp4") is open_file(folder, "folder.mp4") is open_file(folder, "none.mp4") is None
    assert [row["name"] for row in list_recordings(folder, set(), 10)] == ["a"]


def test_a_link_that_comes_and_goes_is_never_followed(local):
    """The race itself, over HTTP."""
    mine, secret, over = local.folder / "a.mp4", local.folder.parent / "secret.mp4", threading.Event()
    secret.write_bytes(SECRET)

    def change() -> None:
        n = 0
        while not over.is_set():
            n += 1
            aside = local.folder / f"{n}.new"
            if n % 2:
                aside.symlink_to(secret)
            else:
                aside.write_bytes(b"mine")
            aside.replace(mine)

    attacker = threading.Thread(target=change)
    attacker.start()
    try:
        answers = [local.ask("/recordings/a.mp4")[::2] for _ in range(100)]
    finally:
        over.set()
        attacker.join()
    assert {status for status, _ in answers} <= {200, 404} and not [body for status, body in answers if body == SECRET]


def test_a_report_shows_nothing_of_a_film_that_a_link_leads_to(local):
    local.order("record", "start")
    local.wait(lambda: local.switch.running and local.switch.running.elapsed_s > 1.0)
    local.order("record", "stop")
    local.wait(lambda: not local.switch.unfinished() and list(local.folder.glob("*.mp4")))
    video = next(local.folder.glob("*.mp4"))
    status, headers, page = local.ask(f"/reports/{video.stem}.html")
    assert status == 200 and b"data:image/jpeg" in page and f"{video.stem}.html" in headers["Content-Disposition"]
    report = video.with_suffix(".html")
    assert report.read_bytes() == page
    video.rename(local.folder.parent / "elsewhere.mp4")
    video.symlink_to(local.folder.parent / "elsewhere.mp4")
    report.unlink()
    status, _, page = local.ask(f"/reports/{video.stem}.html")
    assert status == 200 and b"data:image/jpeg" not in page
    # A report that is a link is made anew.
    (local.folder.parent / "secret.html").write_bytes(SECRET)
    replace_by_link(report, local.folder.parent / "secret.html")
    assert local.ask(f"/reports/{video.stem}.html")[2] == page
    assert (local.folder.parent / "secret.html").read_bytes() == SECRET
    readings = video.with_suffix(".jsonl")
    readings.rename(local.folder.parent / "elsewhere.jsonl")
    readings.symlink_to(local.folder.parent / "elsewhere.jsonl")
    assert local.ask(f"/reports/{video.stem}.html")[0] == 404


def test_a_report_that_cannot_be_made_says_which_file_is_wrong(local):
    (local.folder / "a.jsonl").write_text("nonsense\n")
    status, _, message = local.ask("/reports/a.html")
    assert status == 500 and str(local.folder / "a.jsonl") in message.decode()


@pytest.mark.parametrize(
    "name", ["../a.mp4", "b/a.mp4", "b\\a.mp4", "C:a.mp4", "a.mp4:b.mp4", "a\0.mp4", "a.exe", ".mp4", "\udcff.mp4", "c_clean.mp4", "c.mp4"]
)
def test_these_names_are_not_offered(name):
    assert is_offered("a.mp4", {"c"}) and not is_offered(name, {"c"})


def test_a_name_that_is_not_utf8_spoils_no_list(local):
    (local.folder / "a.mp4").write_bytes(b"abc")
    try:
        Path(os.fsdecode(os.fsencode(local.folder) + b"/\xff\xfe.mp4")).write_bytes(b"")
    except OSError:
        pytest.skip("the system has no such names")
    status, _, body = local.ask("/recordings")
    assert (status, json.loads(body)) == (200, [{"name": "a", "files": [{"name": "a.mp4", "mb": 0.0}], "own": False}])
    assert local.ask("/recordings/%ff%fe.mp4")[0] == 404


def test_a_list_is_made_once_for_all_who_ask_and_opens_nothing(local, monkeypatch):
    for i in range(500):
        (local.folder / f"{i:03}.mp4").write_bytes(b"")
    lists, opened = [], []
    scan, open_before = os.scandir, os.open
    monkeypatch.setattr(os, "scandir", lambda path: lists.append(time.monotonic()) or scan(path))
    monkeypatch.setattr(os, "open", lambda path, *more, **named: opened.append(path) or open_before(path, *more, **named))
    begin = time.monotonic()
    threads = [threading.Thread(target=lambda: [local.ask("/recordings") for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The first at once; the next after `shared_s` at the earliest.
    assert 1 <= len(lists) <= 1 + (time.monotonic() - begin) / local.web.settings.shared_s
    assert not [path for path in opened if str(path).startswith(str(local.folder))]
    rows = json.loads(local.ask("/recordings")[2])
    assert len(rows) == local.web.settings.listed and rows[0]["name"] == "499"


def test_cameras_are_looked_for_once_for_all_who_ask(local):
    asked = []
    others = local.cameras.others
    local.cameras.others = lambda: asked.append(1) or others()
    begin = time.monotonic()
    for _ in range(20):
        local.ask("/state")
    assert 1 <= len(asked) <= 1 + (time.monotonic() - begin) / local.web.settings.shared_s


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", None),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-50", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-40", (0, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("bytes=a-b", None),
        ("bytes=" + "1" * 5000 + "-", None),
    ],
)
def test_a_range_is_taken_apart(text, meant):
    assert requested_range(Headers({"range": text}), 10, '"x"') == meant


def test_a_download_that_broke_off_goes_on(local):
    (local.folder / "a.mp4").write_bytes(b"0123456789")
    status, headers, body = local.ask("/recordings/a.mp4")
    assert (status, body, headers["Content-Type"]) == (200, b"0123456789", "video/mp4") and "a.mp4" in headers["Content-Disposition"]
    tag = headers["ETag"]
    status, headers, body = local.ask("/recordings/a.mp4", Range="bytes=4-", If_Range=tag)
    assert (status, body, headers["Content-Range"]) == (206, b"456789", "bytes 4-9/10")
    assert local.ask("/recordings/a.mp4", Range="bytes=4-", If_Range='"other"')[::2] == (200, b"0123456789")
    status, headers, body = local.ask("/recordings/a.mp4", Range="bytes=10-")
    assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */10")
    assert local.ask("/recordings/a.mp4", "HEAD")[1]["Content-Length"] == "10"
