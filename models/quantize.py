"""Turns trained weights into the shipped model: full-integer int8 TFLite, and its card, the JSON that describes it.

    python -m models.quantize --weights runs/emotion/weights.pt --fer2013 DIR --wild WILD --out models/emotion.tflite

Batch norms are folded, the float graph is converted, and its ranges are set by the representative set: class-balanced training
rows, listed in `representative.txt` (written when it is missing). Temperature and offsets are fitted on the int8 file's own logits over the
public-test rows that have no copy in the private test. With the photos of faces_wild the card also has the mean resting face, from which
personal profiles start. Model and card are finished in another folder and replace the older pair at the end.
"""

import hashlib
import tempfile
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.card import card_bytes, replace_model
from models.checkpoint import read_trained
from models.chips import chips_of
from models.cli import one_line
from models.datasets import load_fer2013, load_wild
from models.evaluate import on_fer2013
from models.face_table import FaceTable, majority, targets
from models.network import N_LOGITS, EmotionNet, to_input
from models.resting import neutral_of, resting
from models.temperature import calibrate
from realtime.base.files import replace_file
from realtime.base.version import __version__
from realtime.expression.classifier import SCHEMA, EmotionClassifier
from realtime.values import CHIP, LABELS

REPRESENTATIVE = Path(__file__).parent / "representative.txt"
"""The list of pictures whose activations set the int8 ranges."""

PER_CLASS = 80
"""Pictures of each class in that list."""

VERSIONED = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "numpy", "opencv-python-headless", "opencv-python")
"""The packages whose versions the card lists."""


def folded(model: nn.Module) -> nn.Module:
    """The same network with each batch norm folded into the convolution before it."""
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(module[i], module[i + 1]), nn.Identity()
    return model


class Exported(nn.Module):
    """The network with the input (1, 64, 64, 1), channels last as TFLite has them; outputs are logits (1, 8) and embedding (1, e)."""

    def __init__(self, model: EmotionNet):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.model(x.permute(0, 3, 1, 2))


def representative(faces: FaceTable) -> np.ndarray:
    """Row numbers of the representative set, in the order of the list; the list is drawn and written when it is missing."""
    if not REPRESENTATIVE.exists():
        usable = np.where(faces.near_copy_in == "", majority(faces.votes), -1)
        draw = np.random.default_rng(1)
        picked = np.concatenate([draw.permutation(np.flatnonzero(usable == c))[:PER_CLASS] for c in range(len(LABELS))])
        replace_file(REPRESENTATIVE, ("\n".join(faces.names[draw.permutation(picked)]) + "\n").encode())
        print(f"wrote {REPRESENTATIVE}")
    row = {name: i for i, name in enumerate(faces.names)}
    return np.array([row[name] for name in REPRESENTATIVE.read_text().split()])


def prior(train: FaceTable) -> np.ndarray:
    """How often each expression occurs in the training rows, by their votes; (7,), sums to 1."""
    distribution, weight = targets(train.votes)
    total = (distribution * weight[:, None])[train.near_copy_in == "", : len(LABELS)].sum(0)
    return total / total.sum()


def convert(model: EmotionNet, chips: np.ndarray) -> bytes:
    """The .tflite file of a network with folded norms, quantised with ranges from (n, 64, 64) uint8 chips."""
    import litert_torch

    with tempfile.TemporaryDirectory() as folder:
        float_file, int8_file = Path(folder) / "float.tflite", Path(folder) / "int8.tflite"
        litert_torch.convert(Exported(model).eval(), (torch.zeros(1, CHIP, CHIP, 1),)).export(str(float_file))
        to_int8(float_file, int8_file, chips)
        return compact(int8_file.read_bytes())


def convert_weights(net: nn.Module, shape: tuple[int, ...]) -> bytes:
    """The .tflite file of a network with an input of this shape, with int8 weights and float activations: for small networks."""
    import litert_torch
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        float_file, int8_file = Path(folder) / "float.tflite", Path(folder) / "int8.tflite"
        litert_torch.convert(folded(net.eval()), (torch.zeros(shape),)).export(str(float_file))
        one = quantizer.Quantizer(str(float_file))
        one.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        one.quantize().export_model(str(int8_file), overwrite=True)
        return compact(int8_file.read_bytes())


def to_int8(float_file: Path, int8_file: Path, chips: np.ndarray) -> None:
    """Static int8 quantisation, per-channel weights, integer input and outputs, with ranges from (n, 64, 64) uint8 chips."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    interpreter = Interpreter(str(float_file))
    signature = interpreter.get_signature_list()
    name = next(iter(signature))
    argument = signature[name]["inputs"][0]
    tensor = interpreter.get_input_details()[0]["name"]

    def new_quantizer() -> quantizer.Quantizer:
        one = quantizer.Quantizer(str(float_file))
        one.load_quantization_recipe(recipe.static_wi8_ai8())
        return one

    # The calibrator averages the extremes of its samples. That clips every activation above average: accuracy fell from 86.3 % in float
    # to 84.6 %. With one sample at a time the true extremes are known: 86.4 % (public test, n = 3186).
    samples = to_input(chips).permute(0, 2, 3, 1).numpy()
    each = [new_quantizer().calibrate({name: [{argument: sample[None]}]}) for sample in samples]
    ranges = {key: {"min": np.min([r[key]["min"] for r in each], 0), "max": np.max([r[key]["max"] for r in each], 0)} for key in each[0]}
    # The input's range is known: one int8 step is one grey level.
    ranges[tensor] = {"min": np.full((1, 1, 1, 1), -1, np.float32), "max": np.full((1, 1, 1, 1), 127 / 128, np.float32)}
    new_quantizer().quantize(ranges).export_model(str(int8_file), overwrite=True)


def compact(model: bytes) -> bytes:
    """The same model as a smaller .tflite file: tensors have numbers for names, and equal lists are written once.

    Of nano's 150 kB the converter's names take 9, and 7 are zero points: all 0, one for each channel of the weights and of the biases.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class Sharing(flatbuffers.Builder):
        """Writes each list of numbers once."""

        def __init__(self, size: int):
            super().__init__(size)
            self.offsets: dict[tuple[str, bytes], int] = {}

        def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
            key = (x.dtype.str, x.tobytes())
            if key not in self.offsets:
                self.offsets[key] = super().CreateNumpyVector(x)
            return self.offsets[key]

    parts = schema.ModelT.InitFromPackedBuf(model, 0)
    for graph in parts.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            tensor.name = str(number)
    # Large files have their weights behind the table that is packed again here.
    for buffer in parts.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    builder = Sharing(len(model))
    builder.Finish(parts.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def first_card(name: str, content: bytes, model: EmotionNet, train: FaceTable, settings: dict[str, Any]) -> dict[str, Any]:
    """The card of a model before it is calibrated: with it the model can be loaded and gives plain logits."""
    return {
        "schema": SCHEMA,
        "name": name,
        "labels": list(LABELS),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "input": "(1, 64, 64, 1) int8: gray byte minus 128",
        "outputs": "logits (1, 8) int8: seven labels, then reject (no readable face); embedding (1, e) int8",
        "embedding": model.head.in_features,
        "temperature": 1.0,
        "bias": [0.0] * N_LOGITS,
        "prior": [round(float(v), 4) for v in settings.get("prior", prior(train))],
        "made": date.today().isoformat(),
        "settings": settings,
        "program": {"version": __version__},
        "versions": {name: metadata.version(name) for name in VERSIONED if any(d.name == name for d in metadata.distributions())},
    }


@one_line
def main(
    weights: Annotated[Path, typer.Option(help="A file of weights from models.make, models.distill or models.from_tflite.")],
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    wild: Annotated[Path | None, typer.Option(help="Folder of faces_wild: adds everybody's resting face.")] = None,
    out: Annotated[Path, typer.Option(help="The .tflite file to write, with a .json beside it.")] = Path("models/emotion.tflite"),
) -> None:
    """Converts, quantises, calibrates, scores, and writes the model with its description."""
    _, settings, trained = read_trained(weights)
    model = folded(trained)
    train, test = load_fer2013(fer2013, "train"), load_fer2013(fer2013, "public_test")
    rows = representative(train)
    print(f"read {weights}, {len(rows)} representative faces, {len(test)} public-test faces")
    content = convert(model, chips_of(train.where(rows)))
    card, chips = first_card(out.stem, content, model, train, settings), chips_of(test)

    with tempfile.TemporaryDirectory() as folder:
        # The printed scores name the file, so the temporary file has the final name.
        aside = Path(folder) / out.name
        aside.write_bytes(content)

        def load() -> EmotionClassifier:
            """The model with the card as it is now."""
            aside.with_suffix(".json").write_bytes(card_bytes(card))
            return EmotionClassifier(aside)

        calibrate(card, load().logits(chips)[0], test)
        if wild is not None:
            card["resting"] = resting(load(), neutral_of(load_wild(wild)))
        card["scores"] = {"public_test": on_fer2013(load(), test, chips, weights, None)}

    replace_model(out, content, card)
    print(f"wrote {out} ({card['bytes']} bytes) and {out.with_suffix('.json')}")


if __name__ == "__main__":
    typer.run(main)
