"""Makes one page of HTML from readings: timelines, shares, faces, beside the video. All that it needs is in it but the video."""

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.base.silence import silence_ffmpeg
from realtime.config import ReportSettings
from realtime.drawing.draw import COLOURS
from realtime.readings.file import Person, Readings, counted, read, readings_path
from realtime.readings.summary import Summary, lasting, summarise, thinned

PAGE = Path(__file__).parent / "page"
CHARTS = "uplot-python"
"""The package that brings the chart library; only its two files for the web are read."""

HINT = """
<p class="note">Each row is an expression, its height the probability. The row on top is what was shown.
Click to go to a moment.<span class="mouse"> Drag to zoom in, double-click to zoom out.</span></p>"""


@dataclass(frozen=True)
class Thumbnail:
    """A face at its clearest: `t` in seconds, what it shows, and a JPEG."""

    t: float
    label: str
    jpeg: bytes


@dataclass(frozen=True)
class Session:
    """One recording as the page shows it.

    Attributes:
        key: its name within the page.
        path: the readings file.
        readings: all numbers.
        people: those who are shown, with what they showed, in the order of their ids.
        others: how many more were seen, too briefly to be shown.
        duration: seconds.
        video: the address of the video as seen from the page; None where there is none.
        thumbnails: by person's id.
    """

    key: str
    path: Path
    readings: Readings
    people: tuple[tuple[Person, Summary], ...]
    others: int
    duration: float
    video: str | None
    thumbnails: dict[int, list[Thumbnail]]

    @property
    def name(self) -> str:
        return self.path.stem


def write_report(files: Sequence[Path], out: Path, settings: ReportSettings) -> None:
    """Writes the page.

    Args:
        files: readings, or videos that have theirs beside them.
        out: the page.
        settings: what is shown of it all.

    Raises:
        Trouble: a file is no readings file, the chart library is missing, or the page cannot be written.
    """
    sessions = [session(readings_path(path), f"s{i}", out.parent, settings) for i, path in enumerate(files)]
    text = page(sessions, settings)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Trouble(f"cannot write {out} ({error.strerror}): check the folder, your rights and the space left") from error


def session(path: Path, key: str, beside: Path, settings: ReportSettings) -> Session:
    """What the page says of one readings file; the video's address is relative to the folder `beside`.

    Raises:
        Trouble: it is no readings file.
    """
    readings = read(path)
    all_people = [(person, summarise(readings, person)) for person in readings.people]
    longest = sorted(all_people, key=lambda both: -both[1].seen_s)[: settings.people]
    # Who was seen longest is shown in any case.
    people = sorted([both for both in longest if both[1].seen_s >= settings.least_s] or longest[:1], key=lambda both: both[0].id)
    video = next((v for v in (path.with_suffix(".mp4"), path.with_name(f"{path.stem}_clean.mp4")) if v.is_file()), None)
    pictured = video is not None and readings.facts.get("privacy", "none") == "none"
    times = readings.t
    return Session(
        key,
        path,
        readings,
        tuple(people),
        len(all_people) - len(people),
        max(float(times[-1] + lasting(times)[-1]), 0.1) if len(times) else 0.1,
        None if video is None else _address(video, beside),
        {person.id: thumbnails(video, readings, person, settings) for person, _ in people} if pictured and video is not None else {},
    )


def clearest(readings: Readings, person: Person) -> list[tuple[int, int]]:
    """For each expression shown without doubt: its place among the labels, and at which of the person's frames it was clearest."""
    sure = np.array([why is None for why in person.unsure], bool)
    found = []
    for place in range(len(readings.labels)):
        at = np.flatnonzero(sure & (person.shown == place))
        if len(at):
            found.append((place, int(at[np.argmax(person.probs[at, place])])))
    return sorted(found, key=lambda both: both[1])


def thumbnails(video: Path, readings: Readings, person: Person, settings: ReportSettings) -> list[Thumbnail]:
    """A picture of each expression that a person showed, in the order of time; none where the video does not give it."""
    import av

    silence_ffmpeg()
    made: list[Thumbnail] = []
    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            for place, at in clearest(readings, person):
                t = float(readings.t[person.rows[at]])
                container.seek(int(t / (stream.time_base or 1)), stream=stream)
                picture = next(frame for frame in container.decode(stream) if frame.time is not None and frame.time >= t - 0.001)
                image = picture.to_ndarray(format="bgr24")
                scale = image.shape[1] / readings.facts.get("width", image.shape[1])
                done, jpeg = cv2.imencode(".jpg", cut_out(image, person.boxes[at] * scale, settings), [cv2.IMWRITE_JPEG_QUALITY, 80])
                if done:
                    made.append(Thumbnail(t, readings.labels[place], jpeg.tobytes()))
    except (av.error.FFmpegError, OSError, IndexError, StopIteration):
        # A page without some faces is better than none; `run.py verify` says what the video lacks.
        pass
    return made


def cut_out(image: np.ndarray, box: np.ndarray, settings: ReportSettings) -> np.ndarray:
    """A square around (4,) x0, y0, x1, y1 out of (h, w, 3), as much as lies in the picture, at the size of thumbnails."""
    height, width = image.shape[:2]
    side = float(np.clip(settings.around * max(box[2] - box[0], box[3] - box[1]), 2, min(height, width)))
    x = round(float(np.clip((box[0] + box[2] - side) / 2, 0, width - side)))
    y = round(float(np.clip((box[1] + box[3] - side) / 2, 0, height - side)))
    return cv2.resize(image[y : y + round(side), x : x + round(side)], (settings.thumbnail_px,) * 2, interpolation=cv2.INTER_AREA)


def page(sessions: Sequence[Session], settings: ReportSettings) -> str:
    """The whole page. Everything that comes from files is escaped.

    Raises:
        Trouble: the chart library is missing.
    """
    several = len(sessions) > 1
    title = f"Expressions in {counted(len(sessions), 'recording')}" if several else f"Expressions in {sessions[0].name}"
    parts = {
        "title": escape(title),
        "lead": escape("; ".join(s.name for s in sessions) if several else _lead(sessions[0])),
        "body": (_comparison(sessions) if several else "") + "\n".join(_section(s, several) for s in sessions),
        # A "<" could end the script element.
        "data": json.dumps([_data(s, settings) for s in sessions], separators=(",", ":")).replace("<", "\\u003c"),
        "chart_css": _chart_file("uPlot.min.css"),
        "chart_js": _chart_file("uPlot.iife.js"),
        "css": (PAGE / "page.css").read_text(encoding="utf-8"),
        "js": (PAGE / "page.js").read_text(encoding="utf-8"),
    }
    # In one pass, so that what is put in is not searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PAGE / "page.html").read_text(encoding="utf-8"))


def _chart_file(name: str) -> str:
    try:
        return Path(str(distribution(CHARTS).locate_file(f"uplot/static/{name}"))).read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError) as error:
        raise Trouble(f"the chart library is missing ({CHARTS}): run `pip install -r requirements.txt` again") from error


def _address(video: Path, beside: Path) -> str:
    """A video's address as seen from a page in the folder `beside`."""
    try:
        return quote(Path(os.path.relpath(video.resolve(), beside.resolve())).as_posix())
    except ValueError:
        # On Windows there is no way from one drive to another.
        return video.resolve().as_uri()


def _hex(label: str) -> str:
    blue, green, red = COLOURS.get(label, (150, 150, 150))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _darker(colour: str) -> str:
    """The same hue, to be seen as a thin line on white."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * 0.6):02x}" for i in (1, 3, 5))


def _data(session: Session, settings: ReportSettings) -> dict[str, Any]:
    """What the page's program needs: times in whole milliseconds, probabilities in thousandths."""
    labels = session.readings.labels
    colours = [_hex(label) for label in labels]
    people = []
    for person, summary in session.people:
        t, p = thinned(session.readings.t[person.rows], person.probs, person.rows, settings.points)
        columns = [[None if np.isnan(v) else round(v * 1000) for v in column] for column in p.T.tolist()]
        runs = [[round(r.start * 1000), round(r.end * 1000), labels.index(r.label), r.unsure] for r in summary.runs]
        people.append({"id": person.id, "t": [round(v * 1000) for v in t.tolist()], "p": columns, "runs": runs})
    lines = {"light": [_darker(c) for c in colours], "dark": colours}
    return {"key": session.key, "labels": labels, "colours": colours, "lines": lines, "duration": session.duration, "people": people}


def _clock(s: float) -> str:
    minutes, seconds = divmod(int(s + 1e-6), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _started(facts: dict[str, Any]) -> str:
    """When the recording began, in the words of its own time zone."""
    text = str(facts.get("started", ""))
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M").lstrip("0")
    except ValueError:
        return text


def _lead(session: Session) -> str:
    people = len(session.people) + session.others
    seen = "nobody was seen" if not people else "1 person" if people == 1 else f"{people} people"
    return ", ".join(part for part in (_started(session.readings.facts), _clock(session.duration), seen) if part)


def _section(session: Session, several: bool) -> str:
    heading = f"<h2>{escape(session.name)}</h2>\n<p class='note'>{escape(_lead(session))}</p>" if several else ""
    warnings = "".join(f'<p class="warning">{escape(problem)}</p>' for problem in session.readings.problems)
    people = "\n".join(_person(session, person, summary, "" if i else HINT) for i, (person, summary) in enumerate(session.people))
    return f"""<section class="session" id="{session.key}" aria-label="{escape(session.name)}">
{heading}{warnings}
{_stage(session)}
{people}
{_others(session)}
{_facts(session)}
</section>"""


def _stage(session: Session) -> str:
    """The video with its slider, and what is shown at its time."""
    film = ""
    if session.video is not None:
        film = f"""<video controls playsinline preload="auto" src="{escape(session.video)}" aria-label="The recording"></video>
<p class="note gone" hidden>The video {escape(session.video)} cannot be played here: keep it beside this page.</p>"""
    now = "".join(_now(session, person) for person, _ in session.people)
    return f"""<div class="stage{"" if now and film else " blind"}">
<div class="card film">{film}
<div class="seek"><input type="range" min="0" max="{session.duration:.3f}" step="0.01" value="0" aria-label="Time"><output></output></div>
</div>
{f'<div class="card now">{now}</div>' if now else ""}
</div>"""


def _now(session: Session, person: Person) -> str:
    rows = "".join(
        f'<li><span>{escape(label)}</span><span class="bar"><i style="background:{_hex(label)}"></i></span><span></span></li>'
        for label in session.readings.labels
    )
    return f'<div data-now="{person.id}"><p class="who">Person {person.id}: <span></span></p><ul>{rows}</ul></div>'


def _person(session: Session, person: Person, summary: Summary, hint: str) -> str:
    faces = _faces(session, person)
    return f"""<div class="card person">
<div><h3>Person {person.id} <span class="readout" data-readout="{person.id}"></span></h3>
<div class="chart" data-chart="{person.id}" role="img" aria-label="{escape(_in_words(summary))}"></div>{hint}</div>
<div class="pair{"" if faces else " alone"}"><div class="wide">{_table(session, summary)}</div>{faces}</div>
</div>"""


def _in_words(summary: Summary) -> str:
    """The chart for those who cannot see it."""
    shares = sorted(summary.shown_s, key=lambda label: -summary.shown_s[label])
    shown = ", ".join(f"{label} {_percent(summary.share(label))}" for label in shares if summary.shown_s[label] > 0)
    return f"Person {summary.id} over time: {shown or 'no expression without doubt'}; unsure {_percent(summary.unsure_share)}"


def _table(session: Session, summary: Summary) -> str:
    rows = "".join(
        f"""<tr><th scope="row"><i class="key" style="background:{_hex(label)}"></i>{escape(label)}</th>
<td class="wide-bar"><span class="bar"><i style="width:{summary.share(label):.1%};background:{_hex(label)}"></i></span></td>
<td>{_percent(summary.share(label))}</td><td>{summary.shown_s[label]:.1f} s</td><td>{summary.switches[label]}</td></tr>"""
        for label in session.readings.labels
    )
    unsure_s = sum(summary.unsure_s.values())
    rows += f"""<tr><th scope="row"><i class="key unsure"></i>unsure</th>
<td class="wide-bar"><span class="bar"><i class="unsure" style="width:{summary.unsure_share:.1%}"></i></span></td>
<td>{_percent(summary.unsure_share)}</td><td>{unsure_s:.1f} s</td><td></td></tr>"""
    for why, s in summary.unsure_s.items():
        share = s / summary.seen_s if summary.seen_s else 0.0
        rows += f"""<tr class="sub"><th scope="row">{escape(why)}</th><td></td><td>{_percent(share)}</td><td>{s:.1f} s</td><td></td></tr>"""
    return f"""<table><thead><tr><th scope="col">shown</th><th scope="col"><span class="unseen">share of time</span></th>
<th scope="col">share</th><th scope="col">time</th><th scope="col">switches to it</th></tr></thead><tbody>{rows}</tbody></table>
<p class="note">Seen for {summary.seen_s:.1f} s, from {_clock(summary.first)} to {_clock(summary.last)}.</p>"""


def _faces(session: Session, person: Person) -> str:
    made = "".join(
        f"""<button type="button" data-seek="{face.t:.3f}">
<img alt="" style="border-color:{_hex(face.label)}" src="data:image/jpeg;base64,{base64.b64encode(face.jpeg).decode()}">
<span>{escape(face.label)}<br><small>{_clock(face.t)}</small></span></button>"""
        for face in session.thumbnails.get(person.id, [])
    )
    return f'<div><h3>At its clearest</h3><div class="faces">{made}</div></div>' if made else ""


def _others(session: Session) -> str:
    if not session.people:
        return '<p class="card">No face was seen in this recording.</p>'
    if not session.others:
        return ""
    more = "1 more face was" if session.others == 1 else f"{session.others} more faces were"
    return f'<p class="note">{more} seen too briefly, or among too many, to be shown here; the readings file has all of them.</p>'


def _comparison(sessions: Sequence[Session]) -> str:
    rows = []
    for session in sessions:
        for person, summary in session.people:
            shares = [(label, summary.share(label), f"background:{_hex(label)}") for label in session.readings.labels]
            parts = "".join(
                f'<i style="width:{share:.2%};{fill}" title="{escape(label)} {_percent(share)}">{escape(_fitting(label, share))}</i>'
                for label, share, fill in shares
                if share > 0
            )
            rest = summary.unsure_share
            parts += f'<i class="unsure" style="width:{rest:.2%}" title="unsure {_percent(rest)}"></i>' if rest > 0 else ""
            rows.append(f"""<tr><th scope="row"><a href="#{session.key}">{escape(session.name)}</a>, person {person.id}</th>
<td class="wide-bar"><span class="stack" role="img" aria-label="{escape(_in_words(summary))}">{parts}</span></td>
<td>{summary.seen_s:.1f} s</td><td>{sum(summary.switches.values())}</td><td>{_percent(rest)}</td></tr>""")
    labels = dict.fromkeys(label for session in sessions for label in session.readings.labels)
    keys = "".join(f'<span><i class="key" style="background:{_hex(label)}"></i>{escape(label)}</span> ' for label in labels)
    return f"""<section class="card compare" aria-label="Comparison"><h2>Side by side</h2>
<div class="wide" tabindex="0" role="group" aria-label="Comparison table"><table>
<thead><tr><th scope="col">recording</th><th scope="col">share of time</th><th scope="col">seen</th><th scope="col">switches</th>
<th scope="col">unsure</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>
<p class="note keys">{keys}<span><i class="key unsure"></i>unsure</span></p></section>"""


def _fitting(label: str, share: float) -> str:
    """As much text as a part of a bar has room for."""
    return label if share >= 0.25 else _percent(share) if share >= 0.15 else ""


def _facts(session: Session) -> str:
    """The header of the readings, as a list."""
    facts, readings = session.readings.facts, session.readings
    rate = len(readings.t) / session.duration
    known: dict[str, Any] = {
        "readings": session.path.name,
        "video": "none" if session.video is None else session.video,
        "rate": f"{counted(len(readings.t), 'frame')}, {rate:.1f} a second",
    }
    told = {**known, **{name: value for name, value in facts.items() if name not in ("schema", "labels")}}
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _flat(told))
    return f'<details class="card"><summary>How this was recorded</summary><dl>{rows}</dl></details>'


def _flat(facts: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Facts as name and text; those within others are named after them, what is not known is left out."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        named = f"{before}{name}".replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, f"{named} ")
        elif value is not None:
            rows.append((named, value if isinstance(value, str) else json.dumps(value)))
    return rows
