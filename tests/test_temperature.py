import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from models.scores import calibration_error, weights_of
from realtime.config import PRIOR_OF_USE, SHIPPED
from realtime.values import LABELS

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.temperature import fit_calibration, log_sum_exp, reject_offset  # noqa: E402

NO_SHIFT = np.zeros(7)


def honest_faces(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 7) and labels (n,) drawn from them: probabilities of the first are honest."""
    logits = rng.normal(0, 2, (n, 7))
    logits[:, 3] += 1
    p = np.exp(logits - log_sum_exp(logits)[:, None])
    return logits, np.array([rng.choice(7, p=row) for row in p])


def test_calibration_finds_the_temperature_and_offsets_that_were_put_in():
    logits, truth = honest_faces(20000, np.random.default_rng(0))
    offset = np.array([0.5, 0, 0, -0.5, 0, 0, 0])
    temperature, bias = fit_calibration(((logits - offset) * 1.7).astype(np.float32), truth, NO_SHIFT, np.ones(len(truth)))
    assert temperature == pytest.approx(1.7, abs=0.06)
    assert bias == pytest.approx(offset, abs=0.12)


def test_under_another_prior_the_shift_is_all_that_is_needed():
    """Honest logits stay honest: rows weighted by the new prior over the old, and the logarithm of that ratio added."""
    logits, truth = honest_faces(40000, np.random.default_rng(1))
    old = np.bincount(truth, minlength=7) / len(truth)
    shift = np.log(np.array(PRIOR_OF_USE) / old)
    weights = weights_of(PRIOR_OF_USE, truth)
    temperature, bias = fit_calibration(logits, truth, shift, weights)
    assert temperature == pytest.approx(1, abs=0.08)
    assert bias == pytest.approx(np.zeros(7), abs=0.2)
    scaled = logits + shift
    probs = np.exp(scaled - log_sum_exp(scaled)[:, None])
    assert calibration_error(probs, truth, weights=weights) < 0.02 < calibration_error(probs, truth)


def test_the_reject_offset_loses_as_many_faces_as_asked():
    logits = np.random.default_rng(0).normal(0, 1, (5000, 8)).astype(np.float32)
    logits[:, -1] += reject_offset(logits, lost_share=0.02)
    odds = np.exp(logits - log_sum_exp(logits)[:, None])[:, -1]
    assert (odds > 0.5).mean() == pytest.approx(0.02, abs=0.002)


def test_the_shipped_cards_are_what_the_command_writes(tmp_path, shared):
    """The command on the team's data gives the committed temperature, offsets and resting face."""
    from models.temperature import main

    path = tmp_path / SHIPPED["nano"].name
    for suffix in (".tflite", ".json"):
        shutil.copy(SHIPPED["nano"].with_suffix(suffix), path.with_suffix(suffix))
    shipped = json.loads(path.with_suffix(".json").read_text())
    damaged = shipped | {"temperature": 1.0, "bias": [0.0] * 8, "resting": [0.0] * 7}
    path.with_suffix(".json").write_text(json.dumps(damaged))
    import typer

    app = typer.Typer()
    app.command()(main)
    arguments = ["--model", str(path), "--fer2013", str(shared("fer2013")), "--wild", str(shared("faces_wild"))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    again = json.loads(path.with_suffix(".json").read_text())
    for name in ("temperature", "bias", "resting"):
        assert again[name] == pytest.approx(shipped[name], abs=2e-3)


def test_the_prior_of_use_is_one():
    assert len(PRIOR_OF_USE) == len(LABELS) and sum(PRIOR_OF_USE) == pytest.approx(1) and min(PRIOR_OF_USE) > 0
