from pathlib import Path

import pytest
from benchmarks import memory


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.timeout(60)
def test_memory_does_not_grow():
    settled_mb, end_mb, frames = memory.growth(15.0)
    assert frames > 300
    assert end_mb - settled_mb < memory.LIMIT_MB
