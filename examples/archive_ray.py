"""Annotates an archive of films on many machines with Ray, and gathers all readings in one Parquet file.

    pip install -r examples/requirements.txt
    python -m examples.archive_ray films/ annotated/ --table readings.parquet                      this machine alone
    python -m examples.archive_ray films/ annotated/ --table readings.parquet --address auto       on a cluster

Every film is recorded as `run.py record --out-dir` does it, by the same function. Films and folders must lie where all machines reach
them, under the same paths. Run it again after a stop: what is finished is skipped. A film that fails does not stop the others.
"""

import argparse
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from realtime.base.errors import Trouble
from realtime.readings.file import each_line, readings_path
from realtime.recording.batch import Job, films_in, is_done, outputs, record_film
from realtime.values import LABELS

PROGRAM = Path(__file__).resolve().parent.parent


def annotate(job: Job) -> str | None:
    """Records one film; gives what went wrong, if anything did."""
    try:
        record_film(job, lambda line: None, lambda frames, expected, seconds: None, lambda: False)
    except Trouble as trouble:
        return str(trouble)
    return None


def table_of(jobs: list[Job]) -> pa.Table:
    """The readings of finished films: a row a face and frame."""
    rows: list[dict[str, object]] = []
    for job in jobs:
        # The first line is the header.
        for line in each_line(readings_path(job.out)):
            for face in line.get("faces", ()):
                probs = dict(zip(LABELS, face["probs"], strict=True))
                kept = {name: face[name] for name in ("id", "label", "confidence", "unsure")}
                rows.append({"film": str(job.film), "frame": line["frame"], "t": line["t"], **kept, **probs})
    texts, whole = ("film", "label", "unsure"), ("frame", "id")
    names = ("film", "frame", "t", "id", "label", "confidence", "unsure", *LABELS)
    kinds = [(name, pa.string() if name in texts else pa.int64() if name in whole else pa.float64()) for name in names]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def annotate_all(films: list[Path], out: Path) -> tuple[list[Job], dict[Path, str]]:
    """Records what is not finished yet on the cluster that Ray is connected to; gives the finished jobs, and why others failed."""
    jobs = [Job(film.resolve(), target.resolve()) for film, target in zip(films, outputs(films, out), strict=True)]
    due = [job for job in jobs if not is_done(job)]
    print(f"{len(jobs) - len(due)} of {len(jobs)} films are finished already")
    # One core a film: the pipeline of a film works in one thread. A worker that dies takes its film to another one, twice at most.
    remote = ray.remote(num_cpus=1, max_retries=2)(annotate)
    running = {remote.remote(job): job for job in due}
    failed: dict[Path, str] = {}
    while running:
        (done,), _ = ray.wait(list(running))
        job = running.pop(done)
        try:
            why = ray.get(done)
        except ray.exceptions.RayError as error:
            why = f"{job.film} failed unexpectedly ({type(error).__name__})"
        if why is not None:
            failed[job.film] = why
        print(why or f"wrote {job.out}", flush=True)
    return [job for job in jobs if is_done(job)], failed


def main() -> None:
    wanted = argparse.ArgumentParser(description="Annotates films on a Ray cluster.")
    wanted.add_argument("films", type=Path, nargs="+", help="films, and folders of films")
    wanted.add_argument("out", type=Path, help="the folder to record into")
    wanted.add_argument("--table", type=Path, help="the Parquet file that gathers all readings")
    wanted.add_argument("--address", help="of the cluster, or auto; without it this machine alone")
    args = wanted.parse_args()
    try:
        films = films_in(args.films)
        args.out.mkdir(parents=True, exist_ok=True)
        ray.init(address=args.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": str(PROGRAM)}})
        finished, failed = annotate_all(films, args.out)
        if args.table:
            pq.write_table(table_of(finished), args.table)
            print(f"wrote {args.table}")
    except (Trouble, OSError, ConnectionError) as error:
        sys.exit(f"archive_ray.py: {error}")
    if failed:
        sys.exit(f"{len(failed)} of {len(films)} films failed, for reasons told above")


if __name__ == "__main__":
    main()
