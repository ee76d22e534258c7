"""Readings files that are damaged or made to do harm: `verify` and `report` give a line of trouble or a whole result, never a traceback."""

import json
import random
import tracemalloc
from html.parser import HTMLParser

import pytest
from recordings import HEADER, a_face, as_lines, even_times, write_film, write_readings

from realtime.base.errors import Trouble
from realtime.config import ReportSettings
from realtime.readings import file, lines
from realtime.readings.file import each_line, read
from realtime.readings.report import write_report
from realtime.readings.verify import verify

EVIL = '</script><script>window.hacked=1</script><img src=x onerror=hacked()>" onload="hacked()" {{data}}'
RAW = [
    *("null", "true", "0", "-1", "1.5", "1e308", "-1e308", "1e999", "1e10", "1e-320", "NaN", "-Infinity", "70000"),
    *("1" + "0" * 400, "9" * 5000, str(2**63), "[]", "{}", "[1, 2, 3, 4]", '["happiness"]'),
    *('""', '"word"', '"\\ud800"', '"a\\nb"', '"\\u001b[31m"', json.dumps(EVIL), '"' + "x" * 5000 + '"'),
    *("[" * 30 + "]" * 30, "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200),
]
HOLE = "a hole for a raw value"


def places(value, path=()):
    """All paths to the values inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from places(part, (*path, key))


def with_hole(chance: random.Random, lines: list) -> str:
    """The file with one value of one line replaced by a raw text, or one entry added to it."""
    lines = json.loads(json.dumps(lines))
    at = chance.choice([0, 0, chance.randrange(len(lines)), len(lines) - 1])
    *path, key = chance.choice(list(places(lines[at])))
    inside = lines[at]
    for step in path:
        inside = inside[step]
    if isinstance(inside, dict) and chance.random() < 0.2:
        key = chance.choice([EVIL, "frame", "labels", "schema", "privacy", "width", "x" * 300, "\ud800"])
    inside[key] = HOLE
    return "".join(json.dumps(line) + "\n" for line in lines).replace(json.dumps(HOLE), chance.choice(RAW))


def with_bytes(chance: random.Random, content: bytes) -> bytes:
    """The file with some bytes lost, repeated or changed, or with lines in another order."""
    content, at, n = bytearray(content), chance.randrange(len(content)), chance.choice([1, 9, 300])
    match chance.randrange(5):
        case 0:
            del content[at : at + n]
        case 1:
            content[at:at] = chance.randbytes(n)
        case 2:
            del content[at:]
        case 3:
            content[at:at] = content[at // 2 : at]
        case _:
            parts = content.splitlines(keepends=True)
            chance.shuffle(parts)
            content = bytearray(b"".join(parts))
    return bytes(content)


class Tags(HTMLParser):
    """The tags of a page, and those of their attributes that could run a script."""

    def __init__(self, page: str):
        super().__init__()
        self.scripts = 0
        self.running: list[tuple] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.running += [(tag, name, value) for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]
        self.running += [(tag,)] * (
            tag in ("iframe", "object", "embed", "base", "form") or (tag == "img" and dict(attrs).get("src") == "x")
        )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A whole recording of ten frames with two people: folder, lines, content of the readings."""
    folder, times = tmp_path_factory.mktemp("hostile"), even_times(10)
    frames = as_lines(times, lambda i: [a_face(unsure="tie" if i == 4 else None), a_face("anger", id=2)][: 1 + i % 2])
    ending = {"dropped": 1, "stopped_s": 4.5, "lost": 2, "ended_s": 0.3, "stated_s": 9.0}
    path = write_readings(folder / "a.jsonl", [*frames, ending], program={"version": "0.9.0"}, privacy="none")
    write_film(folder / "a.mp4", times)
    return folder, [json.loads(line) for line in path.read_text().splitlines()], path.read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_ends_in_a_traceback_and_no_script_gets_into_the_page(original, seed):
    folder, values, content = original
    chance = random.Random(seed)
    path, page = folder / "a.jsonl", folder / "page.html"
    for i in range(11):
        path.write_bytes(with_bytes(chance, content) if i % 3 == 0 else with_hole(chance, values).encode())
        problems, summary = verify(path)
        assert all("\n" not in line and line.isprintable() and len(line) < 500 for line in (*problems, summary))
        try:
            write_report([path, path] if i == 5 else [path], page, ReportSettings())
        except Trouble as trouble:
            assert "\n" not in str(trouble) and len(str(trouble)) < 500
            continue
        text = page.read_text()
        tags = Tags(text)
        assert (tags.scripts, tags.running, text.endswith("</html>\n")) == (3, [], True)
        assert len(list(each_line(path))) == 1 + len(read(path).t)


def only(tmp_path, *faces, **facts):
    return read(write_readings(tmp_path / "a.jsonl", as_lines(even_times(len(faces)), lambda i: faces[i]), **facts))


@pytest.mark.parametrize(
    "change",
    [
        {"id": 2**53 + 1},
        {"id": "1"},
        {"id": True},
        {"id": -1},
        {"box": [0, 0, float("nan"), 1]},
        {"box": [0, 0, 1e308, 1]},
        {"box": {"0": 1, "1": 2, "2": 3, "3": 4}},
        {"probs": [1e308] + [0] * 6},
        {"probs": ["0.1"] * 7},
        {"confidence": 1.5},
        {"label": ["happiness"]},
        {"unsure": 7},
        {"unsure": "x" * 101},
        {"unsure": "a\nb"},
        {"yaw": 10**400},
    ],
    ids=str,
)
def test_a_face_out_of_range_costs_its_line(tmp_path, change):
    readings = only(tmp_path, [a_face()], [a_face() | change], [a_face()])
    assert readings.numbers.tolist() == [0, 2]
    assert readings.problems == (f"{tmp_path / 'a.jsonl'}: 1 line cannot be read (3)",)


def test_two_faces_of_one_id_cost_their_line(tmp_path):
    assert only(tmp_path, [a_face(), a_face()], [a_face()]).numbers.tolist() == [1]


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("width", None), ("height", 1e308), ("dropped", "many"), ("started", 5)])
def test_an_entry_of_the_header_that_cannot_be_is_told_and_left_out(tmp_path, name, value):
    readings = only(tmp_path, [a_face()], **{name: value})
    assert name not in readings.facts and len(readings.t) == 1
    assert [f"its {name} is {value!r}" in problem for problem in readings.problems] == [True]


def test_damaged_privacy_does_not_show_a_face(original):
    folder, values, _ = original
    page = folder / "page.html"
    for privacy, shown in ((None, False), ("none", True)):
        write_readings(folder / "a.jsonl", values[1:], **(values[0] | {"privacy": privacy}))
        write_report([folder / "a.jsonl"], page, ReportSettings())
        assert ("data:image/jpeg" in page.read_text()) == shown


@pytest.mark.parametrize("labels", [["a"] * 2, ["x" * 101], ["a\nb"], ["\ud800"], [str(i) for i in range(33)]])
def test_labels_that_cannot_be_are_no_header(tmp_path, labels):
    with pytest.raises(Trouble, match="is no readings file"):
        only(tmp_path, labels=labels)


def test_a_line_without_end_is_not_taken_into_memory(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", as_lines(even_times(2)))
    with path.open("ab") as end:
        end.write(b'{"frame": 2, "t": 1.0, "faces": [' + b" " * 20_000_000 + b"]}\n" + json.dumps(as_lines([1.5])[0]).encode() + b"\n")
    tracemalloc.start()
    readings = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(readings.t), readings.problems) == (3, (f"{path}: 1 line cannot be read (4)",))
    assert peak < 6 * lines.MOST_LINE
    path.write_bytes(b"[" * 3_000_000)
    with pytest.raises(Trouble, match="is no readings file"):
        read(path)


def test_a_frame_takes_few_bytes_of_memory(tmp_path):
    n = 6_000
    line = json.dumps(as_lines([0.0])[0])[len('{"frame": 0, "t": 0.0') :]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(HEADER) + "\n" + "".join(f'{{"frame": {i}, "t": {i / 30:.6f}{line}\n' for i in range(n)))
    tracemalloc.start()
    readings = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(readings.t) == n
    # Eight hours at 30 frames a second are to fit into 200 MB, with the libraries.
    assert peak / n < 150


@pytest.mark.parametrize("limit", ["MOST_FRAMES", "MOST_FACES", "MOST_PEOPLE"])
def test_more_than_can_be_kept_is_one_line(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(file, limit, 5)
    for faces, n in (([a_face(), a_face(id=2)], 2), ([a_face()], 5)):
        assert only(tmp_path, *[faces] * n).problems == ()
    with pytest.raises(Trouble, match="holds too much"):
        only(tmp_path, *[[a_face(id=i)] for i in range(6)])


def test_more_facts_than_a_header_has_are_not_kept(tmp_path):
    path = write_readings(tmp_path / "a.jsonl", [*as_lines(even_times(1)), *({f"fact {i}": "x" * 1000} for i in range(500))])
    readings = read(path)
    assert len(readings.facts) < 200
    assert "lines cannot be read" in readings.problems[0]


def test_alternating_labels_and_absences_do_not_swell_the_page(tmp_path):
    times = [t for i in range(9_000) for t in (i / 10, i / 10 - 5)]
    path = write_readings(tmp_path / "a.jsonl", as_lines(times, lambda i: [] if i % 3 == 0 else [a_face(("anger", "fear")[i % 2])]))
    write_report([path], tmp_path / "a.html", ReportSettings(points=1000))
    assert (tmp_path / "a.html").stat().st_size < 1_000_000
