"""Pictures of faces for the report: for each expression of a person the moment at which it was clearest."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.base.files import for_ffmpeg
from realtime.base.silence import silence_ffmpeg
from realtime.config import ReportSettings
from realtime.readings.file import Person, Readings


@dataclass(frozen=True)
class Thumbnail:
    """A face at the moment of an expression's highest probability: `t` in seconds, the label, and a JPEG."""

    t: float
    label: str
    jpeg: bytes


def clearest_moments(readings: Readings, person: Person) -> list[tuple[int, int]]:
    """For each expression that was shown and reliable: its label's index, and the index of the person's frame with its highest probability.

    In the order of time.
    """
    sure = np.array([why is None for why in person.unsure], bool)
    moments = []
    for label_index in range(len(readings.labels)):
        frames = np.flatnonzero(sure & (person.label_indices == label_index))
        if len(frames):
            moments.append((label_index, int(frames[np.argmax(person.probs[frames, label_index])])))
    return sorted(moments, key=lambda moment: moment[1])


def thumbnails(video: Path, readings: Readings, person: Person, settings: ReportSettings) -> list[Thumbnail]:
    """A picture of each expression that a person showed, in the order of time. Pictures that the video does not give are left out."""
    import av

    silence_ffmpeg()
    pictures: list[Thumbnail] = []
    try:
        with av.open(for_ffmpeg(video)) as container:
            stream = container.streams.video[0]
            for label_index, at in clearest_moments(readings, person):
                t = float(readings.t[person.rows[at]])
                container.seek(int(t / (stream.time_base or 1)), stream=stream)
                picture = next(frame for frame in container.decode(stream) if frame.time is not None and frame.time >= t - 0.001)
                image = picture.to_ndarray(format="bgr24")
                scale = image.shape[1] / readings.facts.get("width", image.shape[1])
                encoded, jpeg = cv2.imencode(".jpg", cut_out(image, person.boxes[at] * scale, settings), [cv2.IMWRITE_JPEG_QUALITY, 80])
                if encoded:
                    pictures.append(Thumbnail(t, readings.labels[label_index], jpeg.tobytes()))
    except (av.error.FFmpegError, OSError, IndexError, StopIteration):
        # A page without some faces is better than none; `run.py verify` reports what the video lacks.
        pass
    return pictures


def cut_out(image: np.ndarray, box: np.ndarray, settings: ReportSettings) -> np.ndarray:
    """A square of (h, w, 3) uint8 around a face's box (4,) x0, y0, x1, y1, inside the picture, resized to the size of thumbnails."""
    height, width = image.shape[:2]
    side = float(np.clip(settings.around * max(box[2] - box[0], box[3] - box[1]), 2, min(height, width)))
    x = round(float(np.clip((box[0] + box[2] - side) / 2, 0, width - side)))
    y = round(float(np.clip((box[1] + box[3] - side) / 2, 0, height - side)))
    return cv2.resize(image[y : y + round(side), x : x + round(side)], (settings.thumbnail_px,) * 2, interpolation=cv2.INTER_AREA)
