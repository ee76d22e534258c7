import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import memory


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.timeout(60)
def test_memory_does_not_grow():
    settled, ended, frames = memory.growth(15.0)
    assert frames > 300
    assert ended - settled < memory.LIMIT_MB
