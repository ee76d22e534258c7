"""Measures the time of one chip in several TFLite models, in turns in one run, with one thread each.

    python tests/benchmarks/chip_time.py models/emotion.tflite models/emotion_nano.tflite [OTHER.tflite ...]

Prints the median of each model and its ratio to the last model. The inputs are random; the time does not depend on them.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from realtime.base.tflite import interpreter_class

ROUNDS, CALLS = 300, 10


def main(paths: list[str]) -> None:
    interpreter, runtime = interpreter_class()
    models = []
    for path in paths:
        model = interpreter(model_path=path, num_threads=1)
        model.allocate_tensors()
        for detail in model.get_input_details():
            values = np.random.default_rng(0).uniform(-1, 1, detail["shape"]) * (127 if detail["dtype"] == np.int8 else 1)
            model.set_tensor(detail["index"], values.astype(detail["dtype"]))
        models.append(model)
    times_ms = np.zeros((ROUNDS, len(models)))
    for i in range(ROUNDS):
        for j, model in enumerate(models):
            model.invoke()  # brings its weights back into the cache
            started = time.perf_counter()
            for _ in range(CALLS):
                model.invoke()
            times_ms[i, j] = (time.perf_counter() - started) / CALLS * 1000
    medians_ms = np.median(times_ms, 0)
    print(f"{runtime}, one thread, median of {ROUNDS} rounds of {CALLS} calls")
    for path, value in zip(paths, medians_ms, strict=True):
        print(f"{value:7.3f} ms  {value / medians_ms[-1]:5.2f} of the last  {Path(path).stat().st_size:>9} bytes  {Path(path).name}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("give one or more .tflite files")
    main(sys.argv[1:])
