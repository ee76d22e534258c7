import pytest

from models.write_detector import LIMITS, ONE_SIZE, for_one_size, main, own_detector
from realtime.base.errors import Trouble
from realtime.config import DETECTOR, ONE_SIZE_DETECTOR


def test_the_shipped_detectors_are_dlibs_own(tmp_path):
    main(folder=tmp_path)
    for shipped in (DETECTOR, ONE_SIZE_DETECTOR):
        assert (tmp_path / shipped.name).read_bytes() == shipped.read_bytes()
    # Nothing but the number of sizes differs.
    assert DETECTOR.read_bytes().replace(LIMITS, b"", 1) == ONE_SIZE_DETECTOR.read_bytes().replace(ONE_SIZE, b"", 1)


def test_a_detector_that_dlib_writes_otherwise_is_refused():
    with pytest.raises(Trouble, match="use dlib-bin 20"):
        for_one_size(own_detector().replace(LIMITS, bytes(7), 1))
