"""What a live recording costs: `live --source demo --record` at 640x480 and 30 fps, one face in most frames, everything included.

    python tests/benchmarks/recording.py [SECONDS]            default: 20

Prints the processor time of the whole process, from its start to its end, as a share of one core, and the frames that were dropped. Exits
with 1 if it is more than 60 %, or if the encoder dropped a frame.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 0.6


def main(seconds: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        command = [
            sys.executable,
            str(ROOT / "run.py"),
            "live",
            "--source",
            "demo",
            "--no-window",
            "--seconds",
            seconds,
            "--record",
            str(out),
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        share = (used.ru_utime + used.ru_stime) / float(seconds)
        print("\n".join(output.splitlines()[-2:]))
        print(f"{share:.0%} of one core, {out.stat().st_size / 1e6 / float(seconds) * 60:.1f} MB a minute")
    sys.exit(share > LIMIT or "did not keep up" in output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "20")
