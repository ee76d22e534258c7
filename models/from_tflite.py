"""Turns a shipped model file back into float weights, for when the weights that it was made from no longer exist.

    python -m models.from_tflite --model models/emotion.tflite --net emotion --lesson runs/lesson.npz --out runs/shipped/emotion.pt

The int8 weights times their scales are the float weights to half a step each. The extra head on FER2013's own labels is not in the file:
it is fitted again, by logistic regression on the embeddings of the training faces.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from models.augment import placed
from models.checkpoint import build, save_trained
from models.cli import one_line
from models.examination import Examination
from models.lesson import load_lesson
from models.network import EmotionNet
from models.teacher import adopt_statistics, fix
from models.teachers import TrainedNetwork
from models.views import faces_of
from realtime.base.errors import Trouble


def layers(model: bytes) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights and biases, in float, of each convolution and of the head of a .tflite file, in the order of its operations."""
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = whole.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in whole.operatorCodes]

    def floats(index: int, kind: str) -> np.ndarray:
        """A tensor, its output channels first."""
        tensor = graph.tensors[index]
        values = np.frombuffer(bytes(whole.buffers[tensor.buffer].data), kind).reshape(tensor.shape)
        values = np.moveaxis(values, tensor.quantization.quantizedDimension, 0).astype(np.float32)
        # Symmetric: a scale for each output channel, no zero points.
        return values * np.asarray(tensor.quantization.scale, np.float32).reshape(-1, *[1] * (values.ndim - 1))

    # The first convolution, of one gray channel, is written as a depthwise one.
    kinds = (schema.BuiltinOperator.DEPTHWISE_CONV_2D, schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
    for operator in graph.operators:
        if codes[operator.opcodeIndex] in kinds:
            weight, bias = floats(operator.inputs[1], "<i1"), floats(operator.inputs[2], "<i4")
            if codes[operator.opcodeIndex] == schema.BuiltinOperator.CONV_2D:
                weight = weight.transpose(0, 3, 1, 2)
            yield torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())


def pairs(net: EmotionNet) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    """Convolutions with their normalisations, in the order of computation: those of 3x3, and the 1x1 ones of shortcuts."""
    blocks = list(net.blocks)
    large = [net.stem, *(part for block in blocks for part in (block.first, block.second))]
    return large, [block.shortcut for block in blocks if isinstance(block.shortcut, nn.Sequential)]


def fill(net: EmotionNet, model: bytes) -> None:
    """Copies a .tflite file's weights into the network that it was made from; the normalisations then only add the biases.

    Raises:
        Trouble: the file was made from another network.
    """
    large, small = (iter(part) for part in pairs(net))
    file_layers = list(layers(model))
    fitting = 0
    for weight, bias in file_layers[:-1]:
        part = next(small if weight.shape[2] == 1 else large, None)
        if part is None or part[0].weight.shape != weight.shape:
            break
        part[0].weight.data.copy_(weight)
        fix(part[1], 1.0, bias)
        fitting += 1
    weight, bias = file_layers[-1]
    if fitting < len(file_layers) - 1 or next(large, None) or next(small, None) or net.head.weight.shape != weight.shape:
        raise Trouble(f"the file has other layers than this network ({fitting} of {len(file_layers)} fit): choose another --net")
    net.head.weight.data.copy_(weight)
    net.head.bias.data.copy_(bias)


def fit_head(embeddings: Tensor, labels: Tensor, classes: int, decay: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Weights (classes, e) and biases of a logistic regression on (n, e) embeddings and (n,) labels; decay is per face."""
    spread = embeddings.std(0) + 1e-6
    x = embeddings / spread
    weight, bias = torch.zeros(classes, x.shape[1], requires_grad=True), torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=150, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, labels) + decay * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach() / spread, bias.detach()


@one_line
def main(
    model: Annotated[Path, typer.Option(help="The .tflite file.")],
    lesson: Annotated[Path, typer.Option(help="The file that `models.pack_lesson` wrote.")],
    net: Annotated[Literal["emotion", "nano"], typer.Option(help="The network it was made from.")] = "emotion",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/shipped/emotion.pt"),
    cuts: Annotated[int, typer.Option(help="How often each training face is cut for the extra head.")] = 3,
) -> None:
    """Recovers float weights from a shipped model."""
    torch.manual_seed(1)
    network, prior = build(net), json.loads(model.with_suffix(".json").read_text())["prior"]
    fill(network, model.read_bytes())
    content = load_lesson(lesson)
    data = faces_of(content, torch.device("cpu"))
    rows = (data.single >= 0).nonzero()[:, 0]
    none = torch.zeros(256, dtype=torch.bool)

    @torch.no_grad()
    def cut(part: Tensor) -> Tensor:
        return placed(data.crops[part].float(), data.framing[part], none[: len(part)]) * (1 / 128) - 1

    adopt_statistics(network, cut(rows[torch.randperm(len(rows))[:256]]))
    network.eval()
    with torch.no_grad():
        embeddings = torch.cat([network.embed(cut(part)) for _ in range(cuts) for part in rows.split(256)])
    weight, bias = fit_head(embeddings, data.single[rows].repeat(cuts), len(network.original.bias))
    network.original.weight.data.copy_(weight)
    network.original.bias.data.copy_(bias)
    print(json.dumps(Examination(content, torch.device("cpu")).scores([TrainedNetwork(network, whole=False)])))
    save_trained(out, net, {"recovered_from": model.name, "prior": prior}, network.state_dict())
    print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
