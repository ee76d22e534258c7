import json

import numpy as np
import pytest
from sessions import begin_session, copy_old_session, make_take

from calibration.old_sessions import guess_moments, restore_face_crop
from calibration.session_folder import SessionFolder
from calibration.stored_sessions import read_person_takes, read_session_takes
from realtime.base.errors import Trouble
from realtime.faces.align import enlarge


def old_face_crop(number: int) -> np.ndarray:
    """The face crop that a take of the committed old session was made of."""
    y, x = np.mgrid[:48, :48]
    return (20 * (number - 1) + 40 + 2 * y + x - ((y - 24) ** 2 + (x - 20) ** 2) // 16).clip(0, 255).astype(np.uint8)


def test_a_session_of_the_first_schema_is_still_read(tmp_path):
    copy_old_session(tmp_path)
    takes = read_person_takes(tmp_path, "ada")
    assert [(take.number, take.expression, take.camera) for take in takes] == [
        (1, "anger", "0"),
        (2, "anger", "1"),
        (3, "fear", "0"),
        (4, "fear", "0"),
        (5, "fear", "1"),
    ]
    # Take 3 and 4 are of one camera: they cannot be simultaneous.
    assert [take.moment for take in takes] == [0, 0, 1, 2, 2]
    for take in takes:
        assert (take.chips() == enlarge(old_face_crop(take.number))).all()
        assert take.face_crops() == pytest.approx(old_face_crop(take.number)[None], abs=2)
        assert take.paths[0].parent.name == "chips"
    (takes[0].session / "chips" / "001-00.png").unlink()
    with pytest.raises(Trouble, match=r"cannot read .*chips/001-00.png"):
        takes[0].face_crops()


@pytest.mark.parametrize("crop", [np.full((48, 48), grey, np.uint8) for grey in (0, 77, 255)] + [make_take().pictures[0].face_crop])
def test_a_face_crop_is_restored_from_its_chip(crop):
    restored = restore_face_crop(enlarge(crop))
    assert restored.shape == (48, 48) and restored.dtype == np.uint8
    assert np.abs(enlarge(restored).astype(int) - enlarge(crop)).max() <= 1


def test_moments_of_old_sessions_are_guessed_by_their_order():
    takes = [("anger", "strong", "0"), ("anger", "strong", "1"), ("anger", "weak", "0"), ("anger", "weak", "0"), ("fear", "weak", "1")]
    assert guess_moments(takes) == [0, 0, 1, 2, 3]
    assert guess_moments([]) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("session.json", b"{", "session.json is damaged"),
        ("session.json", b"[]", "session.json is damaged"),
        ("session.json", b'{"schema": "session/3"}', "has the schema 'session/3', .*this program reads 'session/2' and 'session/1'"),
        ("session.json", b'{"schema": []}', r"has the schema \[\], .*this program reads"),
        (
            "session.json",
            b'{"schema": "session/2", "id": 1, "person": "", "anonymous": 0, "plan": "", "finished": 0}',
            "damaged .'id' is 1",
        ),
        ("session.json", None, r"cannot read .*session.json \(no such file"),
        ("takes.jsonl", b"{}\n", "takes.jsonl, line 1, is damaged"),
        ("takes.jsonl", None, r"cannot read .*takes.jsonl \(no such file"),
        ("takes.jsonl", b'{"moment": 1e999}\n', "takes.jsonl, line 1, is damaged"),
        ("takes.jsonl", b"[" * 100_000 + b"\n", "takes.jsonl, line 1, is damaged"),
    ],
)
def test_a_damaged_session_is_told_in_one_line(tmp_path, file, content, message):
    session = begin_session(tmp_path)
    session.add(make_take())
    (session.path / file).unlink() if content is None else (session.path / file).write_bytes(content)
    with pytest.raises(Trouble, match=message) as trouble:
        read_session_takes(session.path)
    assert "\n" not in str(trouble.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "001-00.png is not a gray picture of 48x48"), (None, r"cannot read .*001-00.png \(no such file")],
)
def test_a_damaged_picture_is_told_in_one_line(tmp_path, content, message):
    session = begin_session(tmp_path)
    take = session.add(make_take())
    take.paths[0].unlink() if content is None else take.paths[0].write_bytes(content)
    for read in (take.face_crops, take.chips):
        with pytest.raises(Trouble, match=message) as trouble:
            read()
        assert "\n" not in str(trouble.value)


@pytest.mark.parametrize(
    "damage",
    [
        {"quality": None},
        {"number": float("inf")},
        {"moment": None},
        {"t": 10**400},
        {"shots": []},
        {"light": 1},
        {"expression": "x" * 999},
    ],
)
def test_a_damaged_line_is_told_and_erases_no_picture(tmp_path, damage):
    session = begin_session(tmp_path)
    session.add(make_take())
    table = session.path / "takes.jsonl"
    table.write_text(json.dumps(json.loads(table.read_text()) | damage) + "\n")
    with pytest.raises(Trouble, match=r"takes\.jsonl, line 1, is damaged") as trouble:
        SessionFolder.unfinished(tmp_path, "ada", "quick")
    assert len(str(trouble.value)) < 400
    assert len(list(session.path.glob("*/001-*.png"))) == 6


def test_a_session_from_elsewhere_cannot_name_other_files(tmp_path):
    session = begin_session(tmp_path)
    session.add(make_take())
    table = session.path / "takes.jsonl"
    assert len(read_session_takes(session.path)) == 1
    table.write_text(table.read_text().replace("001-00.png", "../../../secret.png"))
    with pytest.raises(Trouble, match=r"is damaged .*its shots are not known"):
        read_person_takes(tmp_path, "ada")
