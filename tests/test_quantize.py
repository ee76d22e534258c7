import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.test_datasets import row, write_tree

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build, save_trained  # noqa: E402
from models.quantize import compact, folded, main  # noqa: E402
from realtime.base.tflite import interpreter_class  # noqa: E402
from realtime.config import SHIPPED  # noqa: E402
from realtime.expression.classifier import EmotionClassifier  # noqa: E402
from realtime.values import LABELS  # noqa: E402


def test_folding_batch_norms_changes_nothing():
    torch.manual_seed(0)
    model = build("wide").train()
    model(torch.randn(64, 1, 64, 64))
    model.eval()
    x = torch.randn(4, 1, 64, 64)
    before = model(x)[0]
    assert torch.allclose(folded(model)(x)[0], before, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_a_compact_file_gives_the_same_answers():
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def answers(model: bytes) -> list[np.ndarray]:
        interpreter = interpreter_class()[0](model_content=model)
        interpreter.allocate_tensors()
        chips = np.random.default_rng(0).integers(-128, 128, (5, 1, 64, 64, 1), np.int8)
        outputs = []
        for chip in chips:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], chip)
            interpreter.invoke()
            outputs += [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        return outputs

    shipped = SHIPPED["nano"].read_bytes()
    builder = flatbuffers.Builder(len(shipped))
    builder.Finish(schema.ModelT.InitFromPackedBuf(shipped, 0).Pack(builder), b"TFL3")
    large = bytes(builder.Output())
    small = compact(large)
    assert len(large) - len(small) > 5000
    assert len(small) <= 150_000
    assert all(np.array_equal(one, other) for one, other in zip(answers(large), answers(small), strict=True))


LABELLED = [(LABELS[tile % 7], tile) for tile in range(60)]


@pytest.fixture
def quantized(tmp_path, monkeypatch):
    """Gives a function that quantises a random nano for tiny data; the converter, which is not installed here, gives the shipped nano."""
    rows = [row(f"t{tile}", "train", tile, "", name, **{name: 10}) for name, tile in LABELLED]
    rows += [row(f"p{tile}", "public_test", tile, "", name, **{name: 10}) for name, tile in LABELLED]
    write_tree(tmp_path, rows)
    mosaic = np.random.default_rng(0).integers(0, 256, (48, 48 * 170), np.uint8)
    cv2.imwrite(str(tmp_path / "train.png"), mosaic)
    cv2.imwrite(str(tmp_path / "public_test.png"), mosaic[:, : 48 * 60])
    torch.manual_seed(0)
    save_trained(tmp_path / "weights.pt", "nano", {"epochs": 1}, build("nano").state_dict())
    monkeypatch.setattr("models.quantize.REPRESENTATIVE", tmp_path / "representative.txt")
    monkeypatch.setattr("models.quantize.convert", lambda model, chips: SHIPPED["nano"].read_bytes())
    out = tmp_path / "out" / "net.tflite"
    out.parent.mkdir()

    def run() -> Path:
        main(tmp_path / "weights.pt", tmp_path, None, out)
        return out

    return run, out


def test_the_card_describes_the_file_beside_it(quantized):
    out = quantized[0]()
    card = json.loads(out.with_suffix(".json").read_text())
    assert out.read_bytes() == SHIPPED["nano"].read_bytes()
    assert card["name"] == "net"
    assert card["temperature"] != 1
    assert card["scores"]["public_test"]["official"]["n"] == 60
    assert EmotionClassifier(out).sha256 == card["sha256"]
    assert sorted(file.name for file in out.parent.iterdir()) == ["net.json", "net.tflite"]


@pytest.mark.parametrize("step", ["convert", "first_card", "calibrate", "on_fer2013"])
def test_a_run_that_is_killed_leaves_the_older_pair(quantized, monkeypatch, step):
    run, out = quantized
    older = SHIPPED["emotion"].read_bytes(), SHIPPED["emotion"].with_suffix(".json").read_bytes()
    out.write_bytes(older[0])
    out.with_suffix(".json").write_bytes(older[1])

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"models.quantize.{step}", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert (out.read_bytes(), out.with_suffix(".json").read_bytes()) == older
    assert EmotionClassifier(out).embedding == 208
