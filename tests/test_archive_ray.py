"""The example that annotates an archive on many machines: without Ray on a stand-in for it, and on a cluster where Ray is installed."""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import ray_stand_in
from conftest import ROOT
from recordings import cut

from realtime.recording.film_folders import films_in
from realtime.sources.films import DEMO

pytest.importorskip("pyarrow")


@pytest.fixture(params=["stand-in", "Ray"])
def example(request, monkeypatch):
    """The example, with two machines of one core each to run on."""
    monkeypatch.delitem(sys.modules, "examples.archive_ray", raising=False)
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "ray", ray_stand_in)
        yield importlib.import_module("examples.archive_ray")
        return
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    # The head node has no cores.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield importlib.import_module("examples.archive_ray")
    ray.shutdown()
    cluster.shutdown()


def test_two_machines_annotate_films_and_a_second_run_does_only_the_rest(example, tmp_path):
    clip = cut(DEMO, tmp_path / "short.mp4", seconds=1.0)
    films, out = tmp_path / "films", tmp_path / "out"
    films.mkdir()
    out.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clip, films / name)
    (films / "broken.mp4").write_bytes(b"this is no film")
    paths = films_in([films], out)
    jobs, failed = example.annotate_all(paths, out)
    assert [job.film.name for job in jobs] == ["a.mp4", "b.mp4"]
    assert [path.name for path in failed] == ["broken.mp4"] and "not a video" in failed[films / "broken.mp4"]

    table = example.table_of(jobs)
    assert table.num_rows == sum(len(face) for job in jobs for face in frames_of(job.out)) > 20
    assert set(table["film"].to_pylist()) == {str(films / "a.mp4"), str(films / "b.mp4")}
    row = table.slice(0, 1).to_pylist()[0]
    assert sum(row[name] for name in table.column_names[7:]) == pytest.approx(1, abs=1e-3)

    before = (out / "a.mp4").stat().st_mtime_ns
    (out / "b.mp4").unlink()
    again, _ = example.annotate_all(paths, out)
    assert [job.film.name for job in again] == ["a.mp4", "b.mp4"]
    assert (out / "a.mp4").stat().st_mtime_ns == before and frames_of(out / "b.mp4") == frames_of(out / "a.mp4")


def frames_of(video: Path) -> list[list[object]]:
    """The faces of each frame from the readings file."""
    lines = video.with_suffix(".jsonl").read_text().splitlines()[1:]
    return [json.loads(line)["faces"] for line in lines]
