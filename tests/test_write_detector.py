import pytest

from models.write_detector import LIMITS, for_one_size, main, own_detector
from realtime.base.errors import Trouble
from realtime.config import DETECTOR


def test_the_shipped_detector_is_dlibs_own_for_one_size(tmp_path):
    main(out=tmp_path / "detector.svm")
    assert (tmp_path / "detector.svm").read_bytes() == DETECTOR.read_bytes()
    # Nothing but the number of sizes differs.
    assert own_detector().replace(LIMITS, b"") == DETECTOR.read_bytes().replace(bytes((1, 1, 1, 64, 1, 64)), b"", 1)


def test_a_detector_that_dlib_writes_otherwise_is_refused():
    with pytest.raises(Trouble, match="use dlib-bin 20"):
        for_one_size(own_detector().replace(LIMITS, bytes(7), 1))
