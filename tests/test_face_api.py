"""The network of `@vladmandic/face-api`, against a computation in numpy, on weights that are drawn here."""

import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.face_api import FACE_API_WEIGHTS, FaceApiNet, face_api_weights, load_face_api_weights  # noqa: E402
from models.network import to_input  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402


def published_shapes() -> dict[str, tuple[int, ...]]:
    """The published names and shapes, in the order of the file."""
    shapes: dict[str, tuple[int, ...]] = {"dense0/conv0/filters": (3, 3, 3, 32), "dense0/conv0/bias": (32,)}
    for block, (before, width) in enumerate([(32, 32), (32, 64), (64, 128), (128, 256)]):
        for conv in range(block == 0, 4):
            name, n_in = f"dense{block}/conv{conv}", width if conv else before
            shapes |= {
                f"{name}/depthwise_filter": (3, 3, n_in, 1),
                f"{name}/pointwise_filter": (1, 1, n_in, width),
                f"{name}/bias": (width,),
            }
    return shapes | {"fc/weights": (256, 7), "fc/bias": (7,)}


PUBLISHED_IN_OUR_ORDER = [3, 5, 4, 1, 2, 6, 0]
"""Where anger, disgust, fear, happiness, sadness, surprise and neutral are in the published order: neutral, happy, sad and so on."""


def write_package(folder, change=lambda entries: None) -> dict[str, np.ndarray]:
    """Writes random weights as the package has them, and returns them; `change` may spoil the manifest's entries."""
    rng = np.random.default_rng(0)
    entries, data, weights = [], b"", {}
    for name, shape in published_shapes().items():
        entry: dict = {"name": name, "shape": list(shape), "dtype": "float32"}
        if name.endswith("bias"):
            values = rng.uniform(-0.1, 0.1, shape).astype("<f4")
            weights[name] = values
        else:
            inputs = 9 if "depthwise" in name else int(np.prod(shape[:-1]))
            values, scale, offset = rng.integers(0, 256, shape, np.uint8), 4 / 255 / inputs**0.5, -1.9 / inputs**0.5
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": offset}
            weights[name] = values * scale + offset
        entries.append(entry)
        data += values.tobytes()
    change(entries)
    (folder / "model").mkdir(exist_ok=True)
    manifest = [{"weights": entries, "paths": [f"{FACE_API_WEIGHTS}.bin"]}]
    (folder / "model" / f"{FACE_API_WEIGHTS}-weights_manifest.json").write_text(json.dumps(manifest))
    (folder / "model" / f"{FACE_API_WEIGHTS}.bin").write_bytes(data)
    return weights


def convolved(x: np.ndarray, weights: dict[str, np.ndarray], name: str, stride: int) -> np.ndarray:
    """A convolution of (h, w, c), with TensorFlow's padding "same" for even sides."""
    h, w, _ = x.shape
    edge = (0, 1) if stride == 2 else (1, 1)
    x = np.pad(x, (edge, edge, (0, 0)))
    taps = {(i, j): x[i : i + h : stride, j : j + w : stride] for i in range(3) for j in range(3)}
    if f"{name}/filters" in weights:
        y = sum(tap @ weights[f"{name}/filters"][at] for at, tap in taps.items())
    else:
        y = sum(tap * weights[f"{name}/depthwise_filter"][at][:, 0] for at, tap in taps.items()) @ weights[f"{name}/pointwise_filter"][0, 0]
    return y + weights[f"{name}/bias"]


def published_logits(chip: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """(7,) logits in the published order of a chip (64, 64) of bytes."""
    gray = cv2.resize(chip.astype(np.float64), (112, 112), interpolation=cv2.INTER_LINEAR)
    x = (gray[..., None] - np.array([122.782, 117.001, 104.298])) / 255
    for block in range(4):
        first = np.maximum(convolved(x, weights, f"dense{block}/conv0", 2), 0)
        second = convolved(first, weights, f"dense{block}/conv1", 1)
        third = convolved(np.maximum(first + second, 0), weights, f"dense{block}/conv2", 1)
        fourth = convolved(np.maximum(first + second + third, 0), weights, f"dense{block}/conv3", 1)
        x = np.maximum(first + second + third + fourth, 0)
    return x.mean((0, 1)) @ weights["fc/weights"] + weights["fc/bias"]


def test_the_logits_are_those_of_the_published_layers(tmp_path):
    weights = write_package(tmp_path)
    net = FaceApiNet().eval()
    load_face_api_weights(net, face_api_weights(tmp_path))
    chips = np.random.default_rng(1).integers(0, 256, (2, 64, 64), np.uint8)
    expected = np.stack([published_logits(chip, weights)[PUBLISHED_IN_OUR_ORDER] for chip in chips])
    scale = np.ptp(expected, axis=1).min()
    assert 1e-2 < scale < 1e4
    logits = net(to_input(chips)).numpy()
    assert np.abs(logits - expected).max() < 1e-4 * scale
    fast = net.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = fast(to_input(chips).contiguous(memory_format=torch.channels_last)).float().numpy()
    assert np.abs(coarse - expected).max() < 0.1 * scale


def test_the_logits_have_the_order_of_our_labels(tmp_path):
    write_package(tmp_path)
    stem = face_api_weights(tmp_path)
    data = bytearray(stem.with_suffix(".bin").read_bytes())
    data[-28:] = (np.arange(7) * 1e6).astype("<f4").tobytes()
    stem.with_suffix(".bin").write_bytes(data)
    net = FaceApiNet().eval()
    load_face_api_weights(net, stem)
    assert (net(torch.zeros(1, 1, 64, 64))[0] / 1e6).round().tolist() == PUBLISHED_IN_OUR_ORDER


def test_without_the_package_the_commands_that_get_it_are_told(tmp_path):
    with pytest.raises(Trouble, match=r"face_expression_model-weights_manifest\.json and \.bin are not there: run `npm pack @vlad"):
        face_api_weights(tmp_path)


WRONG = {
    "another shape": (lambda entries: entries[3].update(shape=[1, 1, 32, 16]), r"another network \(dense0/conv1/pointwise_filter\)"),
    "a name too few": (lambda entries: entries.pop(), r"another network \(fc/bias\)"),
    "a name too many": (lambda entries: entries.append({**entries[0], "name": "fc/more"}), r"another network \(fc/more\)"),
    "a name twice": (lambda entries: entries.append(entries[0]), r"another network \(a name twice\)"),
    "another type": (lambda entries: entries[0]["quantization"].update(dtype="uint16"), "no manifest of weights in bytes or float32"),
    "no names": (lambda entries: entries[0].pop("name"), "no manifest of weights in bytes or float32"),
    "other sizes": (lambda entries: entries[0].pop("quantization"), r"\.bin has \d+ bytes, not \d+ as its manifest says"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_files_of_another_network_change_nothing(tmp_path, change, message):
    write_package(tmp_path, change)
    net = FaceApiNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(Trouble, match=message):
        load_face_api_weights(net, face_api_weights(tmp_path))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
