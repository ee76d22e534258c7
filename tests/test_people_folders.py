import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import HOSTILE_JSON
from sessions import STARTED, begin_session, copy_old_session, face_crops, list_files, make_take

from calibration.people_folders import delete_person, merge_people
from calibration.session_folder import SessionFolder
from calibration.stored_sessions import read_person_takes, session_folders
from realtime.base.errors import Trouble
from realtime.expression.profile import Profile, save


def test_deleting_leaves_nothing_of_the_person_and_all_of_the_others(tmp_path):
    people, outside = tmp_path / "people", tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("not theirs")
    begin_session(people).add(make_take())
    begin_session(people, "bob")
    save(Profile("ada", "a" * 64, "offsets", np.zeros(7)), people / "ada" / "emotion.json")
    (people / "ada" / "link").symlink_to(outside)
    (people / "ada" / ".hidden").write_text("")
    count = len(list_files(people / "ada"))
    assert delete_person(people, "ada") == count == 11
    assert [path.name for path in people.iterdir()] == ["bob"]
    assert list_files(outside) == ["keep.txt"]
    with pytest.raises(Trouble, match=r"nothing is kept of ada in .* \(there is: bob\)"):
        delete_person(people, "ada")
    assert delete_person(people, "bob") == 2
    assert not people.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "a\\b", "/"])
def test_a_name_that_leads_out_of_the_root_is_refused(tmp_path, name):
    for path in (tmp_path / "x", tmp_path / "people" / "a" / "b"):
        path.mkdir(parents=True)
    with pytest.raises(Trouble, match="cannot be a person's name"):
        delete_person(tmp_path / "people", name)
    with pytest.raises(Trouble, match="cannot be a person's name"):
        begin_session(tmp_path / "people", name)
    assert (tmp_path / "x").is_dir() and (tmp_path / "people" / "a" / "b").is_dir()


def test_a_person_who_is_a_link_is_not_followed(tmp_path):
    begin_session(tmp_path / "elsewhere")
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "ada").symlink_to(tmp_path / "elsewhere" / "ada")
    with pytest.raises(Trouble, match="is a link to"):
        delete_person(tmp_path / "people", "ada")
    assert session_folders(tmp_path / "elsewhere" / "ada")


def shows_takes(root: Path, name: str, seeds: tuple[int, ...]) -> bool:
    """Whether a person has exactly the takes that `make_take` makes of these seeds."""
    takes = read_person_takes(root, name)
    return len(takes) == len(seeds) and all(
        (take.face_crops() == face_crops(make_take(seed=seed))).all() for take, seed in zip(takes, seeds, strict=True)
    )


def test_people_of_several_machines_are_merged(tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    begin_session(one).add(make_take(seed=1))
    begin_session(one, started=STARTED.replace(minute=50)).add(make_take(seed=2))
    begin_session(two).add(make_take(seed=3))
    begin_session(two, "bob").add(make_take(seed=4))
    result = merge_people([one, two], out)
    assert result.names == {one / "ada": "ada", two / "ada": "ada-2", two / "bob": "bob"}
    assert (result.copied, result.present, result.different) == (4, 0, ())
    assert shows_takes(out, "ada", (1, 2)) and shows_takes(out, "ada-2", (3,)) and shows_takes(out, "bob", (4,))
    assert json.loads((session_folders(out / "ada-2")[0] / "session.json").read_text())["person"] == "ada-2"
    assert len(list(session_folders(out / "ada")[0].glob("crops/*.png"))) == 3


def test_a_session_of_the_first_schema_is_merged_as_it_is(tmp_path):
    old = copy_old_session(tmp_path / "one")
    assert merge_people([tmp_path / "one"], tmp_path / "out").copied == 1
    [copy] = session_folders(tmp_path / "out" / "ada")
    assert list_files(copy) == list_files(old)
    assert all((copy / file).read_bytes() == (old / file).read_bytes() for file in list_files(old) if file.endswith(".png"))
    assert [take.moment for take in read_person_takes(tmp_path / "out", "ada")] == [0, 0, 1, 2, 2]


def test_merging_again_adds_what_is_new_and_overwrites_nothing(tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    session = begin_session(one)
    session.add(make_take(seed=1))
    begin_session(two).add(make_take(seed=3))
    merge_people([one, two], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    session.add(make_take(seed=2))
    begin_session(two, started=STARTED.replace(year=2027)).add(make_take(seed=5))
    result = merge_people([one, two], out)
    assert result.names == {one / "ada": "ada", two / "ada": "ada-2"}
    assert (result.copied, result.present, result.different) == (1, 2, (session.path,))
    assert len(before) == 2 * 8 and all(path.read_bytes() == content for path, content in before.items())
    assert shows_takes(out, "ada-2", (3, 5))


def test_a_merge_copies_complete_takes_alone_and_tells_of_an_empty_root(tmp_path):
    session = begin_session(tmp_path / "one")
    session.add(make_take())
    (session.path / "faces" / "002-00.png").write_bytes(b"half")
    with (session.path / "takes.jsonl").open("ab") as table:
        table.write(b'{"number": 2')
    merge_people([tmp_path / "one"], tmp_path / "out")
    copy = session_folders(tmp_path / "out" / "ada")[0]
    assert list_files(copy) == [
        "crops/001-00.png",
        "crops/001-01.png",
        "crops/001-02.png",
        "faces/001-00.png",
        "faces/001-01.png",
        "faces/001-02.png",
        "session.json",
        "takes.jsonl",
    ]
    assert SessionFolder(copy).takes[0].number == 1
    with pytest.raises(Trouble, match="holds no session"):
        merge_people([tmp_path / "nowhere"], tmp_path / "out")


def test_who_has_a_profile_but_no_session_there_is_kept_apart(tmp_path):
    out = tmp_path / "out"
    begin_session(tmp_path / "one").add(make_take())
    save(Profile("ada", "a" * 64, "offsets", np.zeros(7)), out / "ada" / "emotion.json")
    assert merge_people([tmp_path / "one"], out).names == {tmp_path / "one" / "ada": "ada-2"}


def test_what_a_killed_merge_left_is_ignored_and_erased_by_the_next(tmp_path):
    one, out = tmp_path / "one", tmp_path / "out"
    begin_session(one).add(make_take(seed=1))
    begin_session(one, started=STARTED.replace(year=2027)).add(make_take(seed=2))
    merge_people([one], out)
    newest = session_folders(out / "ada")[1]
    leftover = newest.with_name(f".{newest.name}.new")
    newest.rename(leftover)
    assert shows_takes(out, "ada", (1,))
    assert merge_people([one], out).copied == 1
    assert shows_takes(out, "ada", (1, 2)) and not leftover.exists()


def with_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def with_link(path: Path) -> None:
    moved = path.with_name(f"other-{path.name}")
    path.rename(moved)
    path.symlink_to(moved)


def with_sparse_file(path: Path) -> None:
    os.truncate(path, 10**10)


def with_huge_png(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    path.write_bytes(content)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (with_fifo, "no regular file"),
        (with_link, "is a link"),
        (with_sparse_file, "more than"),
        (with_huge_png, "is not the picture of a session"),
    ],
)
@pytest.mark.parametrize("file", ["session.json", "takes.jsonl", "faces/001-00.png", "crops/001-01.png"])
def test_a_hostile_file_of_another_machine_is_not_copied(tmp_path, file, harm, words):
    session = begin_session(tmp_path / "one")
    session.add(make_take())
    if harm is with_huge_png and not file.endswith(".png"):
        return
    harm(session.path / file)
    with pytest.raises(Trouble, match=words) as caught:
        merge_people([tmp_path / "one"], tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list_files(tmp_path / "out") == []


@pytest.mark.parametrize("folder", ["faces", "crops", ""])
def test_a_folder_that_is_a_link_is_not_followed(tmp_path, folder):
    session = begin_session(tmp_path / "one")
    session.add(make_take())
    with_link(session.path / folder if folder else session.path.parent)
    with pytest.raises(Trouble, match="is a link" if folder else "holds no session"):
        merge_people([tmp_path / "one"], tmp_path / "out")


@pytest.mark.parametrize("raw", [raw for raw in HOSTILE_JSON if raw != '"word"'])
@pytest.mark.parametrize(
    ("file", "entry"), [("session.json", "id"), ("session.json", "more"), ("takes.jsonl", "number"), ("takes.jsonl", "t")]
)
def test_whatever_stands_in_a_session_is_one_line_of_trouble_or_copied(tmp_path, file, entry, raw):
    session = begin_session(tmp_path / "one")
    session.add(make_take())
    path = session.path / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: "a hole"}).replace('"a hole"', raw) + "\n")
    try:
        assert merge_people([tmp_path / "one"], tmp_path / "out").copied == 1
    except Trouble as trouble:
        assert "\n" not in str(trouble) and len(str(trouble)) < 500
    else:
        assert read_person_takes(tmp_path / "out", "ada")


def test_a_session_that_names_a_picture_twice_is_damaged(tmp_path):
    session = begin_session(tmp_path / "one")
    session.add(make_take())
    table = session.path / "takes.jsonl"
    table.write_bytes(table.read_bytes() * 2)
    with pytest.raises(Trouble, match="names a picture twice"):
        merge_people([tmp_path / "one"], tmp_path / "out")
