"""Recordings that are deleted from the page: whose, by whom, and what an attacker can reach with it."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import HOSTILE_JSON
from preview import Running

from realtime.base.files import lock
from realtime.readings.format import SCHEMA
from realtime.viewers.web.recordings import delete_recording, list_recordings

OWN = json.dumps({"schema": SCHEMA, "source": "test"}) + "\n"
FILES = ("a.mp4", "a_clean.mp4", "a.mov", "a.mkv", "a.csv", "a.srt", "a.html", "a.jsonl")
OTHERS = ("b.jsonl", "b.mp4", "a.txt", "a.png", "ab.mp4", "a.jsonl.bak", "holiday.mp4", "holiday.png", ".hidden.jsonl")
SNAPSHOT = "2026-11-28_08-00-12_2.png"


@pytest.fixture
def folder(tmp_path):
    """With the recording "a", others, a snapshot, and a file outside that nobody may touch."""
    (tmp_path / "secret.jsonl").write_text(OWN)
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in (*FILES, *OTHERS, SNAPSHOT):
        (folder / name).write_text(OWN if name.endswith(".jsonl") else "x")
    return folder


@pytest.fixture
def local(folder):
    with Running(folder, "127.0.0.1") as running:
        yield running


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_files_of_a_recording_go_and_no_others(local):
    assert local.delete("a") == 204
    assert names_in(local.folder) == {*OTHERS, SNAPSHOT}
    assert local.delete("a") == 404
    assert [one["name"] for one in json.loads(local.ask("/recordings")[2])].count("a") == 0


def test_snapshots_go_and_other_pictures_stay(local):
    assert [local.delete(name) for name in (SNAPSHOT, SNAPSHOT, "holiday.png", "a.png", "2026-11-28.png")] == [204, 404, 404, 404, 404]
    assert names_in(local.folder) == {*FILES, *OTHERS}


def test_what_the_list_calls_own_can_be_deleted(folder):
    rows = {row["name"]: row for row in list_recordings(folder, set(), 100)}
    assert {name for name, row in rows.items() if row["own"]} == {"a", "b", SNAPSHOT, ".hidden"}
    assert [one["name"] for one in rows["a"]["files"]] == ["a.mp4", "a_clean.mp4", "a.mov", "a.mkv", "a.jsonl", "a.csv", "a.srt"]
    for name in ("b", "a"):
        delete_recording(folder, name, set())
    assert not [row for row in list_recordings(folder, set(), 100) if row["name"] in ("a", "b")]


@pytest.mark.parametrize(
    "name",
    ["../secret", "..\\secret", "/etc/passwd", "", ".", "..", "a\0", "a/", "sub/deep", "a.jsonl", "a.mp4", "\ud800", "a:b", "x" * 900],
)
def test_no_name_leads_elsewhere(local, name):
    (local.folder / "sub").mkdir()
    (local.folder / "sub" / "deep.jsonl").write_text(OWN)
    assert local.delete(name) == 404
    assert names_in(local.folder) == {*FILES, *OTHERS, SNAPSHOT, "sub"}
    assert (local.folder.parent / "secret.jsonl").exists() and (local.folder / "sub" / "deep.jsonl").exists()


def test_who_may_not_steer_deletes_nothing(local):
    body = b'{"name": "a"}'
    assert local.ask("/delete", Origin=local.origin)[0] == 405
    assert local.ask("/delete", "DELETE", body, Origin=local.origin)[0] == 405
    assert local.ask("/delete", "POST", body)[0] == 403
    assert local.ask("/delete", "POST", body, Origin="http://evil.example")[0] == 403
    assert local.ask("/delete", "POST", body, Origin=local.origin, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert local.ask_as_stranger("/delete", "POST", body, Origin=local.origin)[0] == 401
    assert local.ask("/delete", "POST", body, host=f"evil.example:{local.port}", Origin=local.origin)[0] == 421
    for wrong in (b"", b"[]", b"{", b'"name"', b'{"name": 1}', b'{"name": ["a"]}', b"[" * 1000, b"\xff\xfe"):
        assert local.ask("/delete", "POST", wrong, Origin=local.origin)[0] == 400, wrong
    assert local.ask("/delete", "POST", b"x" * 100_000, Origin=local.origin)[0] == 413
    assert names_in(local.folder) == {*FILES, *OTHERS, SNAPSHOT}


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", '{"schema": "other/1"}\n', '{"schema": ["readings/1"]}', "x" * 3_000_000, *HOSTILE_JSON]
)
def test_what_the_program_did_not_write_stays(local, content):
    (local.folder / "a.jsonl").write_text(content)
    assert local.delete("a") == 404
    assert {*FILES} <= names_in(local.folder)


def test_no_link_is_followed(local):
    elsewhere = local.folder.parent / "elsewhere.mp4"
    elsewhere.write_text("mine")
    (local.folder / "a.mp4").unlink()
    (local.folder / "a.mp4").symlink_to(elsewhere)
    (local.folder / "a.csv").unlink()
    (local.folder / "a.csv").mkdir()
    (local.folder / "c.jsonl").symlink_to(local.folder.parent / "secret.jsonl")
    (local.folder / "2026-11-28_08-00-13.png").symlink_to(elsewhere)
    assert [local.delete(name) for name in ("a", "c", "2026-11-28_08-00-13.png")] == [204, 404, 404]
    assert names_in(local.folder) == {*OTHERS, SNAPSHOT, "a.mp4", "a.csv", "c.jsonl", "2026-11-28_08-00-13.png"}
    assert elsewhere.read_text() == "mine" and (local.folder.parent / "secret.jsonl").read_text() == OWN


def test_a_link_that_comes_and_goes_costs_no_other_file(folder):
    """The race itself: whatever stands under the name when it is removed, the other file stays."""
    secret, over = folder.parent / "secret.jsonl", threading.Event()

    def change() -> None:
        n = 0
        while not over.is_set():
            n += 1
            aside = folder / f"{n}.new"
            if n % 2:
                aside.symlink_to(secret)
            else:
                aside.write_text(OWN)
            aside.replace(folder / "a.jsonl")

    attacker = threading.Thread(target=change)
    attacker.start()
    try:
        for _ in range(200):
            with suppress(FileNotFoundError):
                delete_recording(folder, "a", set())
    finally:
        over.set()
        attacker.join()
    assert secret.read_text() == OWN


def test_what_is_being_written_stays(local):
    local.order("record", "start")
    local.wait(lambda: local.switch.running and local.switch.running.elapsed_s > 0.2)
    name = next(iter(local.switch.unfinished()))
    assert local.delete(name) == 404
    local.order("record", "stop")
    local.wait(lambda: not local.switch.unfinished())
    assert local.delete(name) == 204
    assert not [path for path in local.folder.iterdir() if path.name.startswith(name)]


def test_what_another_run_is_writing_stays(local):
    handle = os.open(local.folder / "a.jsonl", os.O_RDWR)
    assert lock(handle)
    status, _, said = local.ask("/delete", "POST", b'{"name": "a"}', Origin=local.origin)
    assert status == 409 and b"being written" in said and {*FILES} <= names_in(local.folder)
    os.close(handle)
    assert local.delete("a") == 204


def test_a_recording_of_which_a_file_cannot_be_deleted_stays_in_the_list(local, monkeypatch):
    unlink = Path.unlink

    def refuse(path, *more, **named):
        if path.suffix == ".mov":
            raise PermissionError(13, "Permission denied")
        return unlink(path, *more, **named)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert local.delete("a") == 409
    assert {"a.jsonl", "a.mov"} <= names_in(local.folder)
    monkeypatch.undo()
    assert local.delete("a") == 204


def test_whoever_downloads_meanwhile_gets_the_whole_file(local):
    size = 20_000_000
    (local.folder / "a.mp4").write_bytes(b"x" * size)
    link = local.send("GET /recordings/a.mp4 HTTP/1.1\r\nHOSTTOKEN\r\n", buffer=4096)
    assert local.delete("a") == 204
    got = 10_000
    link.settimeout(5)
    while got < size and (part := link.recv(1_000_000)):
        got += len(part)
    link.close()
    assert got >= size - 10_000
