"""The program as a library: what users import from `expressions`."""

import re
import shutil
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from conftest import DATA, ROOT

import expressions
from expressions import LABELS, Reader, Trouble, analyze, open_pipeline
from realtime.sources.films import DEMO, VideoFile

LIBRARY = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", LIBRARY, re.M | re.S)


def test_importing_the_library_loads_no_large_package():
    heavy = "import sys, expressions; print([m for m in ('cv2', 'av', 'dlib', 'numpy', 'ai_edge_litert') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], cwd=ROOT, capture_output=True, text=True).stdout == "[]\n"


def test_a_film_gives_the_same_readings_every_time():
    runs = []
    for _ in range(2):
        with open_pipeline(DEMO, model="nano") as faces:
            rows = []
            for frame, readings in faces:
                rows.append((frame.index, [(r.face.id, r.label, r.confidence) for r in readings]))
                if frame.index == 40:
                    break
            runs.append(rows)
    assert runs[0] == runs[1] and len(runs[0]) == 41 and any(faces for _, faces in runs[0])


def test_a_film_can_be_played_in_real_time():
    with open_pipeline("demo", live=True) as faces:
        frame = next(frame for frame, readings in faces if readings)
        assert frame.image.shape == (480, 640, 3)
    assert faces.closed


def test_errors_close_everything(tmp_path):
    with pytest.raises(Trouble, match="no such file"), open_pipeline(tmp_path / "none.mp4"):
        pass
    with pytest.raises(Trouble, match="no profile of eve"):
        open_pipeline(DEMO, profile="eve")
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), open_pipeline("demo", live=True) as faces:
        for _ in faces:
            raise ZeroDivisionError
    assert threading.active_count() == before


def film_pictures(count: int) -> list[tuple[np.ndarray, float]]:
    with VideoFile(DEMO) as film:
        return [(frame.image, frame.t) for frame, _ in zip(film, range(count), strict=False)]


def test_a_film_read_picture_by_picture_gives_the_readings_of_the_film():
    pictures = film_pictures(40)
    with open_pipeline(DEMO) as faces:
        expected = [[(r.face.id, r.label, r.confidence) for r in readings] for (_, readings), _ in zip(faces, pictures, strict=False)]
    reader = Reader()
    before = pictures[0][0].copy()
    assert [[(r.face.id, r.label, r.confidence) for r in reader.read(*each)] for each in pictures] == expected
    assert any(expected) and (pictures[0][0] == before).all()
    reader.close()


def test_a_live_reader_has_a_thread_that_ends_with_it():
    picture, before = cv2.imread(str(DATA / "obama.jpg")), threading.active_count()
    with Reader(model="nano", live=True) as reader:
        assert threading.active_count() == before + 1
        readings = next(found for i in range(2000) if (found := reader.read(picture, i / 30)))
        assert readings[0].label in LABELS
    assert threading.active_count() == before
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(picture, 100.0)


def test_times_may_stand_still_and_go_back():
    picture = cv2.imread(str(DATA / "obama.jpg"))
    with Reader(model="nano") as reader:
        assert [len(reader.read(picture[:, ::-1], t)) for t in (5.0, 5.0, 2.0, 1e9)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8), [[1]]],
    ids=["gray", "alpha", "float", "empty", "list"],
)
def test_what_is_no_picture_is_refused(picture):
    with Reader(model="nano") as reader, pytest.raises(ValueError, match=r"a picture is an array \(height, width, 3\) of uint8"):
        reader.read(picture, 0.0)
    with pytest.raises(ValueError, match="a picture is an array"):
        analyze(picture)


def test_a_time_is_a_number():
    with Reader(model="nano") as reader, pytest.raises(ValueError, match="the time of a picture is a number"):
        reader.read(np.zeros((9, 9, 3), np.uint8), float("nan"))


def test_a_photo_is_read_as_a_file_and_as_pixels():
    [from_file], [from_pixels] = analyze(str(DATA / "obama.jpg")), analyze(cv2.imread(str(DATA / "obama.jpg")))
    assert from_file.label == from_pixels.label == "happiness"
    assert (from_file.probs == from_pixels.probs).all()
    with pytest.raises(Trouble, match="no such file"):
        analyze(DATA / "none.jpg")
    with pytest.raises(Trouble, match="no profile of eve"):
        analyze(DATA / "obama.jpg", profile="eve")


def test_a_photo_has_its_faces_from_left_to_right():
    names = ("biden", "obama", "astronaut")
    row = np.hstack([cv2.resize(cv2.imread(str(DATA / f"{name}.jpg")), (400, 500)) for name in names])
    faces = analyze(row)
    assert [reading.face.id for reading in faces] == [1, 2, 3]
    assert [int((reading.face.box.x0 + reading.face.box.x1) / 800) for reading in faces] == [0, 1, 2]


def test_all_names_are_there_and_no_others():
    assert [name for name in expressions.__all__ if not hasattr(expressions, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'Readers'"):
        expressions.Readers  # noqa: B018


def test_the_readme_has_three_examples():
    assert [name for name, text in zip(("open_pipeline", "Reader", "analyze"), EXAMPLES, strict=True) if name not in text] == []


@pytest.mark.parametrize("text", EXAMPLES, ids=["source", "pictures", "photo"])
def test_the_examples_of_the_library_run(tmp_path, text):
    code = text
    for shown, here in (("open_pipeline(0)", f"open_pipeline({str(DEMO)!r})"), ("VideoCapture(0)", f"VideoCapture({str(DEMO)!r})")):
        code = code.replace(shown, here)
    shutil.copy(DATA / "obama.jpg", tmp_path / "photo.jpg")
    # As docs/library.md says: with the program's folder on the path.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert "happiness" in done.stdout
