"""Converts decoded pictures to BGR with the film's own matrix and range, and says what recordings are converted with."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame

SD_MOST_WH = (1279, 576)
"""Width and height up to which untagged video is taken for standard definition, as players do."""
BT709, BT601 = 1, 5
"""Two of libswscale's numbers for matrices."""
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: 9, 10: 9}
"""libswscale's numbers of the matrices by those in films (ISO/IEC 23091-2): BT.709, FCC, BT.601 twice, SMPTE 240M, BT.2020 twice."""
TAGS = {BT709: 1, BT601: 6}
"""Numbers in films of these two matrices."""
UNTAGGED = (0, 2, 3)
"""Numbers in films that name no matrix of YUV: RGB, unspecified, reserved."""
LIMITED, FULL = 1, 2
"""Numbers of the ranges: luma from 16 to 235, or from 0 to 255."""
HDR = (16, 18)
"""Numbers of the transfer functions PQ and HLG."""
PLAIN = 1
"""The number of BT.709's transfer function and of its primaries."""
THREADED_PX = 1_000_000
"""Pixels from which on libswscale may use several threads; for smaller pictures starting them costs more than they save."""


def usual_matrix(size_wh: tuple[int, int]) -> int:
    """libswscale's number of the matrix that video of this size has where nothing else is said: BT.709 for HD, BT.601 below."""
    return BT709 if size_wh[0] > SD_MOST_WH[0] or size_wh[1] > SD_MOST_WH[1] else BT601


def conversion_threads(size_wh: tuple[int, int]) -> int:
    """How many threads convert pictures of this size; 0 for as many as libswscale wants."""
    return 0 if size_wh[0] * size_wh[1] >= THREADED_PX else 1


class BgrConverter:
    """Converts the pictures of one film to BGR. HDR is mapped to the range of ordinary screens."""

    def __init__(self, maps_hdr: bool = True):
        """`maps_hdr`: False for live streams, where the seconds that the tables for HDR take would pass for a lost connection."""
        from av.video.reformatter import VideoReformatter

        # One for all pictures: it keeps the tables of a conversion.
        self._reformatter = VideoReformatter()
        self.maps_hdr = maps_hdr

    def convert(self, picture: "VideoFrame", size_wh: tuple[int, int]) -> np.ndarray:
        """A picture as (h, w, 3) BGR uint8 of this size; raises what PyAV raises."""
        is_rgb = picture.format.is_rgb or picture.format.has_palette
        is_gray = len(picture.format.components) < 3
        matrix = None if is_rgb else MATRICES.get(picture.colorspace)
        if matrix is None and not is_rgb and picture.colorspace in UNTAGGED:
            matrix = usual_matrix((picture.width, picture.height))
        colour_range = picture.color_range
        if not colour_range and not is_rgb and not is_gray:
            colour_range = FULL if picture.format.name.startswith("yuvj") else LIMITED
        plain = PLAIN if self.maps_hdr and picture.color_trc in HDR and not is_rgb else None
        converted = self._reformatter.reformat(
            picture,
            *size_wh,
            format="bgr24",
            src_colorspace=matrix,
            src_color_range=colour_range or None,
            dst_color_range=FULL,
            dst_color_trc=plain,
            dst_color_primaries=plain,
            threads=conversion_threads(size_wh),
        )
        return converted.to_ndarray()
