"""Annotates an archive of films on many machines with Ray, and gathers all readings in one Parquet file.

    pip install -r examples/requirements.txt
    python -m examples.archive_ray films/ annotated/ --table readings.parquet                      this machine alone
    python -m examples.archive_ray films/ annotated/ --table readings.parquet --address auto       on a cluster

Each film is recorded by the function that `run.py record --out-dir` uses. All machines must reach films and folders under the same paths.
After a stop, run it again: finished films are skipped. A film that fails does not stop the others.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from realtime.base.errors import Trouble
from realtime.base.files import make_private_folder
from realtime.base.output import tell
from realtime.readings.file import each_line, readings_path
from realtime.recording.batch import Job, is_done, record_film, unfinished_files
from realtime.recording.film_folders import Film, films_in, outputs
from realtime.recording.unfinished import UnfinishedWork
from realtime.values import LABELS

PROGRAM = Path(__file__).resolve().parent.parent


def annotate(job: Job) -> str | None:
    """Records one film; returns the error message if it fails."""
    try:
        record_film(job, lambda line: None, lambda frames, expected, seconds: None, lambda: False)
    except Trouble as trouble:
        return str(trouble)
    return None


def table_of(jobs: list[Job]) -> pa.Table:
    """The readings of finished films: a row for each face in each frame."""
    rows: list[dict[str, object]] = []
    for job in jobs:
        # The first line is the header.
        for line in each_line(readings_path(job.out)):
            for face in line.get("faces", ()):
                probs = dict(zip(LABELS, face["probs"], strict=True))
                values = {name: face[name] for name in ("id", "label", "confidence", "unsure")}
                rows.append({"film": str(job.film), "frame": line["frame"], "t": line["t"], **values, **probs})
    texts, integers = ("film", "label", "unsure"), ("frame", "id")
    names = ("film", "frame", "t", "id", "label", "confidence", "unsure", *LABELS)
    columns = [(name, pa.string() if name in texts else pa.int64() if name in integers else pa.float64()) for name in names]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def annotate_all(films: list[Film], out: Path) -> tuple[list[Job], dict[Path, str]]:
    """Records the films that are not finished yet, on Ray's cluster. Returns the finished jobs, and the error messages of the others."""
    jobs = [Job(film.path.resolve(), target.resolve()) for film, target in zip(films, outputs(films, out), strict=True)]
    due = [job for job in jobs if not is_done(job)]
    print(f"{len(jobs) - len(due)} of {len(jobs)} films are finished already")
    with UnfinishedWork(out.resolve()) as work:
        for job in due:
            make_private_folder(job.out.parent)
        failed = run_all([replace(job, part=work.claim(partial(unfinished_files, job))) for job in due])
    return [job for job in jobs if is_done(job)], failed


def run_all(jobs: list[Job]) -> dict[Path, str]:
    """Records films on Ray's cluster; returns the error messages of those that failed."""
    # One core a film: the pipeline of a film uses one thread. If a worker dies, its film is tried again, at most twice.
    remote = ray.remote(num_cpus=1, max_retries=2)(annotate)
    running = {remote.remote(job): job for job in jobs}
    failed: dict[Path, str] = {}
    while running:
        (finished,), _ = ray.wait(list(running))
        job = running.pop(finished)
        try:
            why = ray.get(finished)
        except ray.exceptions.RayError as error:
            why = f"{job.film} failed unexpectedly ({type(error).__name__})"
        if why is not None:
            failed[job.film] = why
        tell(why or f"wrote {job.out}")
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Annotates films on a Ray cluster.")
    parser.add_argument("films", type=Path, nargs="+", help="films, and folders of films")
    parser.add_argument("out", type=Path, help="the folder to record into")
    parser.add_argument("--table", type=Path, help="the Parquet file that gathers all readings")
    parser.add_argument("--address", help="of the cluster, or auto; without it this machine alone")
    args = parser.parse_args()
    try:
        films = films_in(args.films, args.out)
        args.out.mkdir(parents=True, exist_ok=True)
        ray.init(address=args.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": str(PROGRAM)}})
        finished, failed = annotate_all(films, args.out)
        if args.table:
            pq.write_table(table_of(finished), args.table)
            tell(f"wrote {args.table}")
    except (Trouble, OSError, ConnectionError) as error:
        sys.exit(f"archive_ray.py: {error}")
    if failed:
        sys.exit(f"{len(failed)} of {len(films)} films failed, for reasons told above")


if __name__ == "__main__":
    main()
