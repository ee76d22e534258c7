"""Pictures for the report: for each expression of a person the moment at which it was clearest, and stills of the film for paper."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.base.errors import Trouble
from realtime.config import ReportSettings
from realtime.readings.file import Person, Readings
from realtime.sources.colour import BgrConverter
from realtime.sources.containers import limit_size, open_local


@dataclass(frozen=True)
class Thumbnail:
    """A face at the moment of an expression's highest probability: `t` in seconds, the label, and a JPEG."""

    t: float
    label: str
    jpeg: bytes


@dataclass(frozen=True)
class Still:
    """A whole picture of the film: `t` in seconds, and a JPEG."""

    t: float
    jpeg: bytes


@dataclass(frozen=True)
class Moment:
    """When an expression was clearest: `t` in seconds, the label, and the face's box (4,) x0, y0, x1, y1 in pixels."""

    t: float
    label: str
    box: np.ndarray


def clearest_moments(readings: Readings, person: Person) -> list[Moment]:
    """For each expression that was shown and reliable the moment of its highest probability, in the order of time."""
    sure = person.reason_indices == 0
    found = []
    for label_index in range(len(readings.labels)):
        frames = np.flatnonzero(sure & (person.label_indices == label_index))
        if len(frames):
            found.append((int(frames[np.argmax(person.probs[frames, label_index])]), label_index))
    return [Moment(float(readings.t[person.rows[at]]), readings.labels[label], person.boxes[at].copy()) for at, label in sorted(found)]


def thumbnails(video: Path, moments: Sequence[Moment], width: int | None, settings: ReportSettings) -> list[Thumbnail]:
    """A picture of a person's face at each moment; boxes are in pictures of `width` px, None: of the video's own. Pictures that the video
    does not give are left out.
    """
    pictures: list[Thumbnail] = []
    for moment, image in zip(moments, _images(video, [moment.t for moment in moments]), strict=False):
        box = moment.box * (image.shape[1] / (width or image.shape[1]))
        encoded, jpeg = cv2.imencode(".jpg", cut_out(image, box, settings), [cv2.IMWRITE_JPEG_QUALITY, 80])
        if encoded:
            pictures.append(Thumbnail(moment.t, moment.label, jpeg.tobytes()))
    return pictures


def stills(video: Path, duration: float, settings: ReportSettings) -> list[Still]:
    """Whole pictures of a film of `duration` seconds, evenly over its length; those that it does not give are left out."""
    times = [duration * (i + 0.5) / settings.stills for i in range(settings.stills)]
    pictures: list[Still] = []
    for t, image in zip(times, _images(video, times), strict=False):
        size = (settings.still_px, max(1, round(image.shape[0] * settings.still_px / image.shape[1])))
        encoded, jpeg = cv2.imencode(".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, 75])
        if encoded:
            pictures.append(Still(t, jpeg.tobytes()))
    return pictures


def _images(video: Path, times: Sequence[float]) -> Iterator[np.ndarray]:
    """The picture (h, w, 3) uint8 of a video at each time in seconds, up to the first one that it does not give."""
    import av

    try:
        converter = BgrConverter()
        with open_local(video) as container:
            stream = container.streams.video[0]
            limit_size(stream, str(video))
            for t in times:
                container.seek(int(t / (stream.time_base or 1)), stream=stream)
                picture = next(frame for frame in container.decode(stream) if frame.time is not None and frame.time >= t - 0.001)
                yield converter.convert(picture, (picture.width, picture.height))
    except (Trouble, av.error.FFmpegError, OSError, IndexError, StopIteration, OverflowError):
        # A page without some pictures is better than none; `run.py verify` reports what the video lacks.
        return


def cut_out(image: np.ndarray, box: np.ndarray, settings: ReportSettings) -> np.ndarray:
    """A square of (h, w, 3) uint8 around a face's box (4,) x0, y0, x1, y1, inside the picture, resized to the size of thumbnails."""
    height, width = image.shape[:2]
    side = float(np.clip(settings.around * max(box[2] - box[0], box[3] - box[1]), 2, min(height, width)))
    x = round(float(np.clip((box[0] + box[2] - side) / 2, 0, width - side)))
    y = round(float(np.clip((box[1] + box[3] - side) / 2, 0, height - side)))
    return cv2.resize(image[y : y + round(side), x : x + round(side)], (settings.thumbnail_px,) * 2, interpolation=cv2.INTER_AREA)
