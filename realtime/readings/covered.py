"""Searches a recording whose faces are covered for faces that are not."""

from dataclasses import replace
from pathlib import Path

import cv2

from realtime.config import DetectorSettings, PrivacySettings
from realtime.faces.cover_search import CoverSearch
from realtime.faces.detector import Detector
from realtime.sources.films import VideoFile

SURE = 0.3
"""Score of a face in such a search. Where faces are covered for good, the film shows little else that has it."""

MOST = 30
"""Pictures that are searched at most; each takes half a second."""


def uncovered_times(video: Path) -> tuple[list[float], int]:
    """The times in s of the pictures in which a face may be seen, and how many pictures were searched, from the whole length of the video.

    Raises:
        Trouble: the video cannot be read.
    """
    search = CoverSearch(Detector(DetectorSettings()), replace(PrivacySettings(), threshold_all=SURE))
    found, searched = [], 0
    with VideoFile(video) as film:
        every = max(1, round((film.expected or MOST) / MOST))
        for frame in film:
            if frame.index % every == 0:
                searched += 1
                if search.all(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)):
                    found.append(frame.t)
    return found, searched
