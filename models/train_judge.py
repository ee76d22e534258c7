"""Trains the network that tells faces from what the detector takes for faces (`realtime/faces/judge.py`), and scores it.

    python -m models.train_judge --wild DIR --without FOLDER --mesh face_landmark.tflite --out models/face_judge.tflite

Half of each batch are faces, half are not. All are varied again: another surrounding, edges that are repeated as beyond a picture's edge,
other framing, coarser, with noise. The examples take some 20 minutes on one core, the training 10.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from models.augment import uniform
from models.card import package_versions, replace_model
from models.checkpoint import save_whole
from models.cli import one_line
from models.face_mesh import FaceMesh
from models.judge_examples import Workshop, landscape_examples, photo_examples
from models.quantize import convert_weights
from realtime.base.files import replacing
from realtime.base.version import __version__
from realtime.config import JUDGE
from realtime.faces.judge import LEAST_CONTRAST, PATCH

SCHEMA = "face_judge/1"


@dataclass(frozen=True)
class JudgeSettings:
    """What the network depends on, saved with its scores."""

    batch: int = 128
    steps: int = 4000
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    dropout: float = 0.2
    smoothing: float = 0.01  # of the labels: a few are wrong
    spoiled: float = 0.12  # share of a batch that are faces which show none any more
    surrounded: float = 0.35  # share that gets another surrounding
    filled: float = 0.25  # share of the patches whose picture ends at all four sides, as that of a face which fills it
    edged: float = 0.4  # share of the other patches' sides at which it ends; beyond, its edge is repeated
    coarse: float = 0.25  # share that gets coarser
    measured: float = 0.1  # share of the examples that is only measured on; of the same photos as the others
    seed: int = 1


def block(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(
        *(nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False), nn.BatchNorm2d(n_in)),
        *(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()),
    )


class JudgeNet(nn.Module):
    """(n, 1, 64, 64) patches with mean 0 and standard deviation 1 -> (n, 1) logits: above 0 a face is more likely than none."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        shape = ((16, 32, 1), (32, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1), (96, 128, 2))
        self.blocks = nn.Sequential(*(block(*each) for each in shape))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.blocks(self.stem(x)).mean((2, 3))))


def normalized(x: Tensor) -> Tensor:
    """As `realtime.faces.judge.normalized`, of (n, 1, 64, 64)."""
    x = x - x.mean((1, 2, 3), keepdim=True)
    return x / x.std((1, 2, 3), keepdim=True, correction=0).clamp(min=LEAST_CONTRAST)


def varied(x: Tensor, surroundings: Tensor, settings: JudgeSettings) -> Tensor:
    """Patches (n, 1, 64, 64) in grey levels as other cameras and boxes would show them; `surroundings` are patches without a face."""
    n = len(x)
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.5, x.flip(3), x)
    axis = torch.linspace(-1, 1, PATCH)
    across, down = (
        axis[None, None, :] / (0.62 + 0.25 * torch.rand(n, 1, 1)),
        (axis[None, :, None] - 0.05) / (0.75 + 0.3 * torch.rand(n, 1, 1)),
    )
    kept = torch.sigmoid((1 - torch.sqrt(across**2 + down**2)) * 14)[:, None]
    kept = torch.where(torch.rand(n, 1, 1, 1) < settings.surrounded, kept, torch.ones(1))
    x = torch.lerp(surroundings[torch.randint(len(surroundings), (n,))].float(), x, kept)
    size, turn = 1 + torch.randn(n, 2) * 0.06, torch.randn(n) * 0.08
    matrix = torch.stack([size[:, 0], turn, torch.randn(n) * 0.1, -turn, size[:, 1], torch.randn(n) * 0.06], 1).reshape(n, 2, 3)
    grid = F.affine_grid(matrix, [n, 1, PATCH, PATCH], align_corners=False)
    share = torch.where(torch.rand(n, 1, 1, 1) < settings.filled, 1.0, settings.edged)
    first, last = (torch.where(torch.rand(n, 1, 1, 2) < share, 0.5 + 0.5 * torch.rand(n, 1, 1, 2), torch.full((1,), 9.0)) for _ in "ab")
    x = F.grid_sample(x, torch.minimum(torch.maximum(grid, -first), last), padding_mode="border", align_corners=False)
    soft = F.interpolate(F.interpolate(x, scale_factor=0.4, mode="area"), size=(PATCH, PATCH), mode="bilinear", align_corners=False)
    x = torch.where(torch.rand(n, 1, 1, 1) < settings.coarse, soft, x)
    return x + torch.randn(x.shape) * 18 * torch.rand(n, 1, 1, 1) ** 3


def spoiled(x: Tensor) -> Tensor:
    """Patches (n, 1, 64, 64) of faces that show none any more: upside down, beside the middle, too large or too small."""
    n = len(x)
    upside_down, kind = torch.rand(n) < 0.3, torch.rand(n)
    away, angle = uniform(n, 1.0, 1.5, x.device) * (kind < 0.6), torch.rand(n) * (2 * math.pi)
    size = torch.where(kind < 0.6, torch.ones(1), torch.where(kind < 0.8, uniform(n, 0.35, 0.5, x.device), uniform(n, 1.9, 2.6, x.device)))
    size, away = (torch.where(upside_down, value, changed) for value, changed in ((torch.ones(1), size), (torch.zeros(1), away)))
    zero = torch.zeros(n)
    matrix = torch.stack([size, zero, away * angle.cos(), zero, torch.where(upside_down, -size, size), away * angle.sin()], 1)
    grid = F.affine_grid(matrix.reshape(n, 2, 3), [n, 1, PATCH, PATCH], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def rows(numbers: Tensor, size: int) -> Iterator[Tensor]:
    """Random rows without end, `size` at a time."""
    while True:
        yield numbers[torch.randint(len(numbers), (size,))]


def learn(patches: np.ndarray, faces: np.ndarray, settings: JudgeSettings) -> JudgeNet:
    """The network after its course on patches (n, 64, 64) uint8, of which those with `faces` (n,) bool show one."""
    torch.manual_seed(settings.seed)
    pictures = torch.from_numpy(patches)[:, None]
    some, others = (rows(torch.from_numpy(np.flatnonzero(faces == which)), settings.batch // 2) for which in (True, False))
    surroundings = pictures[torch.from_numpy(~faces)]
    target = torch.tensor([1 - settings.smoothing, settings.smoothing]).repeat_interleave(settings.batch // 2)[:, None]
    # In this memory format a step takes less time.
    net = JudgeNet(settings.dropout).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    n_spoiled = round(settings.spoiled * settings.batch)
    for step in range(settings.steps):
        x = pictures[torch.cat([next(some), next(others)])].float()
        x[-n_spoiled:] = spoiled(pictures[next(some)[:n_spoiled]].float())
        seen = normalized(varied(x, surroundings, settings)).contiguous(memory_format=torch.channels_last)
        loss = F.binary_cross_entropy_with_logits(net(seen), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"step {step} of {settings.steps}, loss {float(loss.detach()):.3f}", flush=True)
    return net.to(memory_format=torch.contiguous_format).eval()


def scores(net: JudgeNet, patches: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """How many of the faces, and of the others, have a logit above 0, 2 and 4."""
    with torch.no_grad():
        logits = torch.cat([net(normalized(part.float()))[:, 0] for part in torch.from_numpy(patches)[:, None].split(256)]).numpy()
    result: dict[str, float] = {"faces": int(faces.sum()), "others": int((~faces).sum())}
    for limit in (0, 2, 4):
        above = logits > limit
        result |= {
            f"faces_above_{limit}": round(float(above[faces].mean()), 4),
            f"others_above_{limit}": round(float(above[~faces].mean()), 4),
        }
    return result


def load_examples(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The patches (n, 64, 64) uint8 of a file that `main` wrote, and whether they show faces (n,) bool."""
    with np.load(path) as file:
        return file["patches"], file["faces"]


@one_line
def main(
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
    without: Annotated[Path, typer.Option(help="Folder of pictures without people, such as wallpapers and textures.")],
    mesh: Annotated[Path, typer.Option(help="The file face_landmark.tflite of mediapipe 0.10.21.")],
    out: Annotated[Path, typer.Option(help="The .tflite file to write, with a .json beside it.")] = JUDGE,
    runs: Annotated[Path, typer.Option(help="Where the examples and the weights go; examples that are there are taken.")] = Path(
        "runs/judge"
    ),
) -> None:
    """Makes the examples, trains, exports and scores the network."""
    settings = JudgeSettings()
    if not (runs / "examples.npz").exists():
        workshop = Workshop(FaceMesh(mesh), settings.seed)
        found = [*landscape_examples(without, workshop), *photo_examples(wild, workshop)]
        runs.mkdir(parents=True, exist_ok=True)
        with replacing(runs / "examples.npz") as file:
            np.savez(file, patches=np.array([one.patch for one in found]), faces=np.array([one.is_face for one in found]))
    patches, faces = load_examples(runs / "examples.npz")
    print(f"{faces.sum()} patches with a face, {(~faces).sum()} without one", flush=True)
    measured = np.arange(len(faces)) % round(1 / settings.measured) == 0
    net = learn(patches[~measured], faces[~measured], settings)
    save_whole(net.state_dict(), runs / "weights.pt")
    content = convert_weights(net, (1, 1, PATCH, PATCH))
    card: dict[str, Any] = {
        "schema": SCHEMA,
        "name": out.stem,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "made": date.today().isoformat(),
        "settings": asdict(settings),
        "scores": scores(net, patches[measured], faces[measured]),
        "program": {"version": __version__},
        "versions": package_versions(),
    }
    replace_model(out, content, card)
    print(f"wrote {out} ({card['bytes']} bytes) and {out.with_suffix('.json')}: {card['scores']}")


if __name__ == "__main__":
    typer.run(main)
