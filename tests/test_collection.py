import json
import os
import stat
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.collection import SessionFolder, Shot, Take, crop_around, delete, load_takes, merge, session_folders
from realtime.base.errors import Trouble
from realtime.expression.profile import Profile, save
from realtime.values import Box, Face

STARTED = datetime(2026, 11, 23, 4, 5, 6)
CONSENT = "I agree that my pictures are kept on this machine."


def take(expression="anger", seed=0, shots=3, camera="0") -> Take:
    rng = np.random.default_rng(seed)
    points = np.array([[10, 10], [15, 10], [25, 10], [30, 10], [20, 25]], np.float32)
    made = (
        Shot(rng.integers(0, 256, (64, 64), np.uint8), rng.integers(0, 256, (48, 40, 3), np.uint8), points, i / 10) for i in range(shots)
    )
    return Take(expression, "front", "first", camera, {"brightness": 101.25, "turn": -0.01}, tuple(made))


def begun(root, name="ada", plan="quick", cameras=("0",), started=STARTED) -> SessionFolder:
    return SessionFolder.create(root, name, plan, CONSENT, cameras, started)


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


def test_a_crop_shows_twice_the_box_and_the_points_stay_on_the_face():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    face = Face(1, Box(80, 30, 120, 70), np.array([[90, 40], [95, 40], [105, 40], [110, 40], [100, 55]], np.float32))
    crop, points = crop_around(image, face)
    assert crop.shape == (80, 80, 3)
    for (x, y), (in_x, in_y) in zip(face.points.astype(int), points.astype(int), strict=True):
        assert (crop[in_y, in_x] == image[y, x]).all()
    image[:] = 0
    assert crop.any(), "a source uses its picture again"


@pytest.mark.parametrize(
    ("box", "shape"), [(Box(-10, -10, 30, 30), (50, 50)), (Box(190, 90, 230, 130), (30, 30)), (Box(300, 0, 340, 40), (60, 1))]
)
def test_a_crop_at_the_edge_is_what_there_is(box, shape):
    crop, _ = crop_around(np.zeros((100, 200, 3), np.uint8), Face(1, box, np.zeros((5, 2), np.float32)))
    assert crop.shape[:2] == shape


def test_a_session_holds_what_it_was_given(tmp_path):
    session = begun(tmp_path / "people", cameras=("0", "rtsp://ada:secret@host/cam"))
    first, second = take("anger", 1), take("neutral", 2, camera="rtsp://ada:secret@host/cam")
    session.add(first)
    session.add(second)
    session.finish()
    assert session.path == tmp_path / "people" / "ada" / "sessions" / "2026-11-23_04-05-06"
    about = json.loads((session.path / "session.json").read_text())
    assert (about["schema"], about["person"], about["anonymous"], about["plan"]) == ("session/1", "ada", False, "quick")
    assert about["consent"] == {"text": CONSENT, "agreed": "2026-11-23T04:05:06"}
    assert about["cameras"] == ["0", "rtsp://host/cam"]
    assert about["versions"]["numpy"] == np.__version__
    kept = load_takes(tmp_path / "people", "ada")
    for number, ((row, chips), given) in enumerate(zip(kept, (first, second), strict=True), start=1):
        assert (row.number, row.expression, row.pose, row.light) == (number, given.expression, "front", "first")
        assert row.quality == given.quality
        assert (chips == np.stack([shot.chip for shot in given.shots])).all()
        for file, shot, points in zip(row.files, given.shots, row.points, strict=True):
            assert (cv2.imread(str(row.session / "crops" / file)) == shot.crop).all()
            assert points == pytest.approx(shot.points)
    assert kept[1][0].camera == "rtsp://host/cam"
    assert "secret" not in "".join(path.read_text() for path in session.path.glob("*.json*"))


def test_nobody_else_can_read_a_session(tmp_path):
    begun(tmp_path / "people").add(take())
    for path in (tmp_path / "people", *(tmp_path / "people").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_anonymous_session_has_a_code_and_no_name_anywhere(tmp_path):
    # A name of letters that a hexadecimal code cannot hold: "ada" could be one by chance.
    one = SessionFolder.create(tmp_path, None, "quick", CONSENT, ["/home/grace/film.mp4", "0"], STARTED)
    one.add(take(camera="/home/grace/film.mp4"))
    assert one.person.startswith("anon-")
    assert one.path.parts[-3] == one.person
    assert "grace" not in "".join(path.read_text() for path in one.path.glob("*.json*"))
    assert json.loads((one.path / "session.json").read_text())["cameras"][0] == one.takes[0].camera
    assert SessionFolder.unfinished(tmp_path, None, "quick") is None, "it could be somebody else's"
    again = SessionFolder.unfinished(tmp_path, one.person, "quick")
    assert len(again.takes) == 1
    later = begun(tmp_path, one.person, cameras=["/home/grace/film.mp4"])
    assert "grace" not in (later.path / "session.json").read_text(), "who has a code stays anonymous"
    assert SessionFolder.create(tmp_path, None, "quick", CONSENT, ["0"], STARTED).person != one.person


def test_the_newest_session_without_its_end_is_resumed(tmp_path):
    assert SessionFolder.unfinished(tmp_path, "ada", "quick") is None
    for second in (1, 2, 3, 3):
        begun(tmp_path, started=STARTED.replace(second=second)).add(take(seed=second))
    last = SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert last.path.name == "2026-11-23_04-05-03-2"
    last.finish()
    assert SessionFolder.unfinished(tmp_path, "ada", "quick").path.name == "2026-11-23_04-05-03"
    assert SessionFolder.unfinished(tmp_path, "ada", "full") is None
    assert [row.number for row, _ in load_takes(tmp_path, "ada")] == [1] * 4


def test_a_take_that_is_taken_anew_is_erased_with_its_pictures(tmp_path):
    session = begun(tmp_path)
    for seed in range(3):
        session.add(take(seed=seed))
    session.redo(2)
    session.add(take(seed=9))
    assert [row.number for row in session.takes] == [1, 3, 4]
    assert [row.number for row, _ in load_takes(tmp_path, "ada")] == [1, 3, 4]
    assert not list(session.path.rglob("002-*.png"))
    with pytest.raises(Trouble, match=r"holds no take 2: it holds 1, 3, 4"):
        session.redo(2)


def test_what_a_kill_left_half_written_is_erased_at_resume(tmp_path):
    session = begun(tmp_path)
    session.add(take())
    whole = files(tmp_path)
    table = session.path / "takes.jsonl"
    line = table.read_bytes()
    (session.path / "chips" / "002-00.png").write_bytes(b"half")
    (session.path / ".session.json.new").write_bytes(line)
    table.write_bytes(line + line[: len(line) // 2])
    assert len(load_takes(tmp_path, "ada")) == 1
    again = SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert files(tmp_path) == whole
    again.add(take("fear"))
    assert [row.expression for row, _ in load_takes(tmp_path, "ada")] == ["anger", "fear"]


WRITER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from test_collection import begun, take
session = begun(Path({people!r}))
seed = 0
while True:
    session.add(take(seed=seed))
    print(seed, flush=True)
    seed += 1
    if seed % 4 == 3:
        session.redo(seed)
"""


@pytest.mark.parametrize("wait_s", [0.011, 0.023, 0.037, 0.053])
def test_a_killed_writer_loses_no_confirmed_take(tmp_path, wait_s):
    here = Path(__file__).parent
    code = WRITER.format(root=str(here.parent), tests=str(here), people=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        confirmed = [int(child.stdout.readline())]
        time.sleep(wait_s)
        child.kill()
        confirmed += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    again = SessionFolder.unfinished(tmp_path, "ada", "quick")
    # A take may be whole on the disk before its writer could say so.
    kept = {row.number: row for row in again.takes}
    for seed in confirmed[:-1]:
        assert seed + 1 in kept or (seed + 1) % 4 == 3
    for number, row in kept.items():
        assert (row.chips() == np.stack([shot.chip for shot in take(seed=number - 1).shots])).all()
    pictures = {path.name for path in again.path.glob("c*/*.png")}
    assert pictures == {file for row in kept.values() for file in row.files}
    assert max(kept) >= confirmed[-1]


WRITER_WITHOUT_SPACE = """
import resource, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from test_collection import begun, take
from realtime.base.errors import Trouble
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
session = begun(Path({people!r}))
session.add(take(seed=0))
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, resource.RLIM_INFINITY))
seed = 0
try:
    while True:
        session.add(take(seed=seed + 1))
        seed += 1
except Trouble as trouble:
    print(seed, trouble)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
session.add(take(seed=seed + 1))
"""


@pytest.mark.skipif(os.name == "nt", reason="a limit on the size of files stands for a full disk")
@pytest.mark.parametrize("most", [4500, 6100])
def test_a_full_disk_is_told_and_what_is_confirmed_stays(tmp_path, most):
    """At the lower limit a picture is cut, at the higher one a line of the table."""
    here = Path(__file__).parent
    code = WRITER_WITHOUT_SPACE.format(root=str(here.parent), tests=str(here), people=str(tmp_path), most=most)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert told.stderr == ""
    done = int(told.stdout.split()[0])
    assert (done > 0) == (most > 4500)
    assert f"cannot keep take {done + 2}, anger (file too large); {done + 1} takes in " in told.stdout
    kept = load_takes(tmp_path, "ada")
    assert len(kept) == done + 2
    for seed, (_, chips) in enumerate(kept):
        assert (chips == np.stack([shot.chip for shot in take(seed=seed).shots])).all()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "people").write_text("a file")
    with pytest.raises(Trouble, match=r"cannot make a session in .*people/ada/sessions"):
        begun(tmp_path / "people")
    session = begun(tmp_path)
    session.add(take())
    (session.path / "takes.jsonl").rename(session.path / "away")
    (session.path / "takes.jsonl").mkdir()
    for act in (lambda: session.add(take()), lambda: session.redo(1)):
        with pytest.raises(Trouble, match=r"cannot (keep|erase) take"):
            act()
    assert not list(session.path.rglob("002-*.png"))


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("session.json", b"{", "session.json is damaged"),
        ("session.json", b"[]", "session.json is damaged"),
        ("session.json", b'{"schema": "session/2"}', "has the schema 'session/2', this program reads 'session/1'"),
        ("takes.jsonl", b"{}\n", "takes.jsonl, line 1, is damaged"),
        ("takes.jsonl", None, r"cannot read .*takes.jsonl \(no such file"),
        ("takes.jsonl", b'{"number": 1e999}\n', "takes.jsonl, line 1, is damaged"),
        ("takes.jsonl", b"[" * 100_000 + b"\n", "takes.jsonl, line 1, is damaged"),
        ("chips/001-00.png", b"", "001-00.png is not a gray picture"),
        ("chips/001-00.png", None, r"cannot read .*001-00.png \(no such file"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path, file, content, told):
    session = begun(tmp_path)
    session.add(take())
    (session.path / file).unlink() if content is None else (session.path / file).write_bytes(content)
    with pytest.raises(Trouble, match=told) as trouble:
        SessionFolder(session.path)
        load_takes(tmp_path, "ada")
    assert "\n" not in str(trouble.value)


@pytest.mark.parametrize(
    "damage", [{"quality": None}, {"number": float("inf")}, {"t": 10**400}, {"shots": []}, {"light": 1}, {"expression": "x" * 999}]
)
def test_a_damaged_line_is_told_and_erases_no_picture(tmp_path, damage):
    session = begun(tmp_path)
    session.add(take())
    table = session.path / "takes.jsonl"
    table.write_text(json.dumps(json.loads(table.read_text()) | damage) + "\n")
    with pytest.raises(Trouble, match=r"takes\.jsonl, line 1, is damaged") as trouble:
        SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert len(str(trouble.value)) < 400
    assert len(list(session.path.glob("c*/001-*.png"))) == 6


def test_a_lost_table_erases_no_picture(tmp_path):
    session = begun(tmp_path)
    session.add(take())
    (session.path / "takes.jsonl").unlink()
    with pytest.raises(Trouble, match="cannot read"):
        SessionFolder(session.path)
    with pytest.raises(Trouble, match="cannot keep take 2"):
        session.add(take())
    assert len(list(session.path.glob("c*/*.png"))) == 6


def test_a_session_from_elsewhere_cannot_name_other_files(tmp_path):
    session = begun(tmp_path)
    session.add(take())
    table = session.path / "takes.jsonl"
    table.write_text(table.read_text().replace("001-00.png", "../../../secret.png"))
    with pytest.raises(Trouble, match="is damaged"):
        load_takes(tmp_path, "ada")


def test_deleting_leaves_nothing_of_the_person_and_all_of_the_others(tmp_path):
    people, outside = tmp_path / "people", tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("not theirs")
    begun(people).add(take())
    begun(people, "bob")
    save(Profile("ada", "a" * 64, "offsets", np.zeros(7)), people / "ada" / "emotion.json")
    (people / "ada" / "link").symlink_to(outside)
    (people / "ada" / ".hidden").write_text("")
    count = len(files(people / "ada"))
    assert delete(people, "ada") == count == 11
    assert [path.name for path in people.iterdir()] == ["bob"]
    assert files(outside) == ["keep.txt"]
    with pytest.raises(Trouble, match=r"nothing is kept of ada in .* \(there is: bob\)"):
        delete(people, "ada")
    assert delete(people, "bob") == 2
    assert not people.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "a\\b", "/"])
def test_a_name_that_leads_out_of_the_root_is_refused(tmp_path, name):
    for path in (tmp_path / "x", tmp_path / "people" / "a" / "b"):
        path.mkdir(parents=True)
    with pytest.raises(Trouble, match="cannot be a person's name"):
        delete(tmp_path / "people", name)
    with pytest.raises(Trouble, match="cannot be a person's name"):
        begun(tmp_path / "people", name)
    assert (tmp_path / "x").is_dir() and (tmp_path / "people" / "a" / "b").is_dir()


def test_a_person_who_is_a_link_is_not_followed(tmp_path):
    begun(tmp_path / "elsewhere")
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "ada").symlink_to(tmp_path / "elsewhere" / "ada")
    with pytest.raises(Trouble, match="is a link to"):
        delete(tmp_path / "people", "ada")
    assert session_folders(tmp_path / "elsewhere" / "ada")


def test_people_of_several_machines_become_one_collection(tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    begun(one).add(take(seed=1))
    begun(one, started=STARTED.replace(minute=50)).add(take(seed=2))
    begun(two).add(take(seed=3))
    begun(two, "bob").add(take(seed=4))
    made = merge([one, two], out)
    assert made.people == {one / "ada": "ada", two / "ada": "ada-2", two / "bob": "bob"}
    assert (made.copied, made.known, made.differ) == (4, 0, ())
    seeds = {
        name: [(c == take(seed=s).shots[0].chip).all(axis=(1, 2))[0] for s, (_, c) in zip(order, load_takes(out, name), strict=True)]
        for name, order in (("ada", (1, 2)), ("ada-2", (3,)), ("bob", (4,)))
    }
    assert all(all(right) for right in seeds.values())
    assert json.loads((session_folders(out / "ada-2")[0] / "session.json").read_text())["person"] == "ada-2"
    assert len(list(session_folders(out / "ada")[0].glob("crops/*.png"))) == 3


def test_merging_again_adds_what_is_new_and_overwrites_nothing(tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    session = begun(one)
    session.add(take(seed=1))
    begun(two).add(take(seed=3))
    merge([one, two], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    session.add(take(seed=2))
    begun(two, started=STARTED.replace(year=2027)).add(take(seed=5))
    made = merge([one, two], out)
    assert made.people == {one / "ada": "ada", two / "ada": "ada-2"}
    assert (made.copied, made.known, made.differ) == (1, 2, (session.path,))
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(load_takes(out, "ada-2")) == 2


def test_a_merge_copies_confirmed_takes_alone_and_tells_of_an_empty_root(tmp_path):
    session = begun(tmp_path / "one")
    session.add(take())
    (session.path / "chips" / "002-00.png").write_bytes(b"half")
    with (session.path / "takes.jsonl").open("ab") as table:
        table.write(b'{"number": 2')
    merge([tmp_path / "one"], tmp_path / "out")
    copied = session_folders(tmp_path / "out" / "ada")[0]
    assert files(copied) == [
        "chips/001-00.png",
        "chips/001-01.png",
        "chips/001-02.png",
        "crops/001-00.png",
        "crops/001-01.png",
        "crops/001-02.png",
        "session.json",
        "takes.jsonl",
    ]
    assert SessionFolder(copied).takes[0].number == 1
    with pytest.raises(Trouble, match="holds no session"):
        merge([tmp_path / "nowhere"], tmp_path / "out")


def test_a_merge_keeps_apart_who_has_a_profile_there_and_erases_what_a_killed_merge_left(tmp_path):
    out = tmp_path / "out"
    begun(tmp_path / "one").add(take())
    save(Profile("ada", "a" * 64, "offsets", np.zeros(7)), out / "ada" / "emotion.json")
    assert merge([tmp_path / "one"], out).people == {tmp_path / "one" / "ada": "ada-2"}
    begun(tmp_path / "one", started=STARTED.replace(year=2027))
    whole = session_folders(out / "ada-2")[0]
    whole.rename(whole.with_name(f".{whole.name}.new"))
    assert load_takes(out, "ada-2") == []
    begun(out, "ada-2", started=STARTED.replace(year=2028))
    assert merge([tmp_path / "one"], out).people == {tmp_path / "one" / "ada": "ada-3"}
