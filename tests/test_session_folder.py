import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from sessions import CONSENT, STARTED, begin_session, copy_old_session, face_crops, list_files, make_take

from calibration.session_folder import SessionFolder
from calibration.stored_sessions import read_person_takes, read_session_takes
from realtime.base.errors import Trouble
from realtime.faces.align import enlarge


def test_a_session_holds_the_takes_that_were_added(tmp_path):
    session = begin_session(tmp_path / "people", cameras=("0", "rtsp://ada:secret@host/cam"))
    first, second = make_take("anger", 1), make_take("neutral", 2, camera="rtsp://ada:secret@host/cam")
    session.add(first)
    session.add(second)
    session.finish()
    assert session.path == tmp_path / "people" / "ada" / "sessions" / "2026-11-23_04-05-06"
    about = json.loads((session.path / "session.json").read_text())
    assert (about["schema"], about["person"], about["anonymous"], about["plan"]) == ("session/2", "ada", False, "quick")
    assert about["consent"] == {"text": CONSENT, "agreed": "2026-11-23T04:05:06"}
    assert about["cameras"] == ["0", "rtsp://host/cam"]
    assert about["versions"]["numpy"] == np.__version__
    stored = read_person_takes(tmp_path / "people", "ada")
    assert stored[1].camera == "rtsp://host/cam"
    assert "secret" not in "".join(path.read_text() for path in session.path.glob("*.json*"))
    for number, (row, take) in enumerate(zip(stored, (first, second), strict=True), start=1):
        assert (row.number, row.expression, row.pose, row.light, row.quality) == (number, take.expression, "front", "first", take.quality)
        assert (row.face_crops() == face_crops(take)).all()
        assert (row.chips() == np.stack([enlarge(crop) for crop in face_crops(take)])).all()
        assert [cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape for path in row.paths] == [(48, 48)] * 3
        for file, picture, points in zip(row.files, take.pictures, row.points, strict=True):
            assert (cv2.imread(str(row.session / "crops" / file)) == picture.surroundings).all()
            assert points == pytest.approx(picture.points)


def test_simultaneous_takes_share_a_moment_whatever_they_show(tmp_path):
    session = begin_session(tmp_path, cameras=("0", "1"))
    first = session.add(make_take("anger"))
    session.add(make_take("anger", camera="1"), first.moment)
    # One camera alone saw this face: the guess for old sessions would take these two for one moment.
    session.add(make_take("fear", camera="0"))
    session.add(make_take("fear", camera="1"))
    assert [take.moment for take in session.takes] == [take.moment for take in read_session_takes(session.path)] == [1, 1, 3, 4]


def test_nobody_else_can_read_a_session(tmp_path):
    session = begin_session(tmp_path / "people")
    session.add(make_take())
    session.add(make_take())
    session.erase(1)
    session.finish()
    paths = (tmp_path / "people", *(tmp_path / "people").rglob("*"))
    assert len(paths) == 3 + 1 + 2 + 2 + 6
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_anonymous_session_has_a_code_and_no_name_anywhere(tmp_path):
    # A name of letters that a hexadecimal code cannot hold: "ada" could be one by chance.
    session = begin_session(tmp_path, None, cameras=["/home/grace/film.mp4", "0"])
    session.add(make_take(camera="/home/grace/film.mp4"))
    assert session.person.startswith("anon-")
    assert session.path.parts[-3] == session.person
    assert "grace" not in "".join(path.read_text() for path in session.path.glob("*.json*"))
    assert json.loads((session.path / "session.json").read_text())["cameras"][0] == session.takes[0].camera
    assert SessionFolder.unfinished(tmp_path, None, "quick") is None, "it could be somebody else's"
    resumed = SessionFolder.unfinished(tmp_path, session.person, "quick")
    assert len(resumed.takes) == 1
    later = begin_session(tmp_path, session.person, cameras=["/home/grace/film.mp4"])
    assert "grace" not in (later.path / "session.json").read_text(), "who has a code stays anonymous"
    assert begin_session(tmp_path, None).person != session.person


def test_the_newest_session_that_was_left_before_its_end_is_resumed(tmp_path):
    assert SessionFolder.unfinished(tmp_path, "ada", "quick") is None
    for second in (1, 2, 3, 3):
        begin_session(tmp_path, started=STARTED.replace(second=second)).add(make_take(seed=second))
    newest = SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert newest.path.name == "2026-11-23_04-05-03-2"
    newest.finish()
    assert SessionFolder.unfinished(tmp_path, "ada", "quick").path.name == "2026-11-23_04-05-03"
    assert SessionFolder.unfinished(tmp_path, "ada", "full") is None
    assert [take.number for take in read_person_takes(tmp_path, "ada")] == [1] * 4


def test_an_old_session_is_not_resumed(tmp_path):
    path = copy_old_session(tmp_path)
    before = list_files(tmp_path)
    assert SessionFolder.unfinished(tmp_path, "ada", "room") is None
    with pytest.raises(Trouble, match=r"has the older schema 'session/1'.*: begin another"):
        SessionFolder(path)
    assert list_files(tmp_path) == before


def test_a_take_that_is_to_be_repeated_is_erased_with_its_pictures(tmp_path):
    session = begin_session(tmp_path)
    for seed in range(3):
        session.add(make_take(seed=seed))
    session.erase(2)
    session.add(make_take(seed=9))
    assert [take.number for take in session.takes] == [1, 3, 4]
    assert [take.number for take in read_person_takes(tmp_path, "ada")] == [1, 3, 4]
    assert not list(session.path.rglob("002-*.png"))
    with pytest.raises(Trouble, match=r"holds no take 2: it holds 1, 3, 4"):
        session.erase(2)


def test_incomplete_takes_are_erased_at_resume(tmp_path):
    session = begin_session(tmp_path)
    session.add(make_take())
    before = list_files(tmp_path)
    table = session.path / "takes.jsonl"
    line = table.read_bytes()
    (session.path / "faces" / "002-00.png").write_bytes(b"half")
    (session.path / ".session.json.1234.new").write_bytes(line)
    table.write_bytes(line + line[: len(line) // 2])
    assert len(read_person_takes(tmp_path, "ada")) == 1
    resumed = SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert list_files(tmp_path) == before
    resumed.add(make_take("fear"))
    assert [take.expression for take in read_person_takes(tmp_path, "ada")] == ["anger", "fear"]


WRITER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from sessions import begin_session, make_take
session = begin_session(Path({people!r}))
seed = 0
while True:
    session.add(make_take(seed=seed))
    print(seed, flush=True)
    seed += 1
    if seed % 4 == 3:
        session.erase(seed)
"""


@pytest.mark.parametrize("wait_s", [0.011, 0.023, 0.037, 0.053])
def test_a_killed_writer_loses_no_stored_take(tmp_path, wait_s):
    here = Path(__file__).parent
    code = WRITER.format(root=str(here.parent), tests=str(here), people=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        reported = [int(child.stdout.readline())]
        time.sleep(wait_s)
        child.kill()
        reported += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    resumed = SessionFolder.unfinished(tmp_path, "ada", "quick")
    # The last take may be complete on the disk before the writer could report it.
    stored = {take.number: take for take in resumed.takes}
    for seed in reported[:-1]:
        assert seed + 1 in stored or (seed + 1) % 4 == 3
    for number, take in stored.items():
        assert (take.face_crops() == face_crops(make_take(seed=number - 1))).all()
    pictures = {path.name for path in resumed.path.glob("*/*.png")}
    assert pictures == {file for take in stored.values() for file in take.files}
    assert max(stored) >= reported[-1]


WRITER_WITHOUT_SPACE = """
import resource, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from sessions import begin_session, make_take
from realtime.base.errors import Trouble
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
session = begin_session(Path({people!r}))
session.add(make_take(seed=0))
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
seed = 0
try:
    while True:
        session.add(make_take(seed=seed + 1))
        seed += 1
except Trouble as trouble:
    print(seed, trouble)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
session.add(make_take(seed=seed + 1))
"""


@pytest.mark.skipif(os.name == "nt", reason="a limit on the size of files stands for a full disk")
@pytest.mark.parametrize("limit", [4500, 6100])
def test_a_full_disk_is_told_and_stored_takes_stay(tmp_path, limit):
    """At the lower limit a picture is cut, at the higher one a line of the table."""
    here = Path(__file__).parent
    code = WRITER_WITHOUT_SPACE.format(root=str(here.parent), tests=str(here), people=str(tmp_path), limit=limit)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.stderr == ""
    count = int(result.stdout.split()[0])
    assert (count > 0) == (limit > 4500)
    assert f"cannot keep take {count + 2}, anger (file too large); takes kept in " in result.stdout
    assert f": {count + 1}; free some space" in result.stdout
    stored = read_person_takes(tmp_path, "ada")
    assert len(stored) == count + 2
    for seed, take in enumerate(stored):
        assert (take.face_crops() == face_crops(make_take(seed=seed))).all()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "people").write_text("a file")
    with pytest.raises(Trouble, match=r"cannot make a session in .*people/ada/sessions"):
        begin_session(tmp_path / "people")
    session = begin_session(tmp_path)
    session.add(make_take())
    (session.path / "takes.jsonl").rename(session.path / "away")
    (session.path / "takes.jsonl").mkdir()
    with pytest.raises(Trouble, match="cannot keep take 2, anger"):
        session.add(make_take())
    with pytest.raises(Trouble, match="cannot erase take 1"):
        session.erase(1)
    assert len(list(session.path.rglob("001-*.png"))) == 6 and not list(session.path.rglob("002-*.png"))


def test_a_missing_table_erases_no_picture(tmp_path):
    session = begin_session(tmp_path)
    session.add(make_take())
    (session.path / "takes.jsonl").unlink()
    with pytest.raises(Trouble, match="cannot read"):
        SessionFolder(session.path)
    with pytest.raises(Trouble, match="cannot keep take 2"):
        session.add(make_take())
    assert len(list(session.path.glob("*/*.png"))) == 6
