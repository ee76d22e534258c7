"""Trains the network that finds the five points in a data set's 48x48 face crop (`models/framing.py`), and scores it.

    python -m models.train_crop_points --fer2013 DIR --wild WILD --out models/crop_points.tflite

dlib's public predictor is the teacher. In a coarse crop it errs now and then; so each crop is shown to it many times over, and the network
learns from the mean. Photos of faces_wild, whose points it finds at full size, are cut out like crops and learned from as well. The
network sees all of them turned, moved, scaled and in other light. Every third person of the photos is measured on, never learned from.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.augment import lit, placement, uniform
from models.cli import one_line
from models.course import Recipe, best_device, fit, mixed_precision
from models.datasets import load_fer2013, mark
from models.dlib_files import public_predictor_path
from models.framing import CROP_POINTS, believable, crop_points
from models.network import PointsNet
from models.quantize import compact, folded
from models.train_landmarks import Portrait, jittered, read_portraits
from realtime.base.geometry import box_around
from realtime.commands.benchmark import package_versions
from realtime.faces.align import CROP, TEMPLATE, similarity
from realtime.faces.landmarks import MIRRORED, PointPredictor


@dataclass(frozen=True)
class PointsRecipe(Recipe):
    """What the network depends on, saved with its scores."""

    epochs: int = 20
    learning_rate: float = 0.08
    weight_decay: float = 1e-4
    photos: float = 0.28  # share of each batch


RECIPE = PointsRecipe()
SECOND = replace(RECIPE, epochs=5, learning_rate=0.03, warmup_epochs=1, photos=0.6)
"""A second course goes on from the first, mostly on photos: they are few, but their points are known to a tenth of a crop's pixel."""


ZOOM, RIM = 4, 32
"""The teacher wants faces of about 150 pixels, and its box may stand out of the crop by so many."""

AROUND = 1.7
"""Photos are kept with this times the crop's side about the face, in `KEPT` pixels, so that what lies around can come into the picture."""
KEPT = 96


class Lessons(NamedTuple):
    """Pictures (n, 1, side, side) uint8 and where their points are: (n, 5, 2) in shares of the side, measured from the middle."""

    pictures: Tensor
    points: Tensor


def taught(teacher: PointPredictor, crop: np.ndarray, draw: np.random.Generator, times: int = 8) -> np.ndarray:
    """(5, 2) pixels of a (48, 48) uint8 crop: two predictions from where faces lie on average, then the mean of `times` around these."""
    large = cv2.resize(crop, (CROP * ZOOM, CROP * ZOOM), interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE)
    points = TEMPLATE * CROP * ZOOM + RIM
    for _ in range(2):
        points = teacher.points(large, box_around(points))
    box = box_around(points)
    points = np.mean([teacher.points(large, jittered(box, draw, 0.02, 0.04)) for _ in range(times)], axis=0)
    # Enlarging keeps the corners in place, not the pixels' centres.
    return (points - RIM + 0.5) / ZOOM - 0.5


def from_middle(points: np.ndarray, side: int) -> np.ndarray:
    """Pixels (..., 2) of a picture as shares of its side, measured from the middle."""
    return ((points + 0.5) / side - 0.5).astype(np.float32)


def lessons_of_crops(crops: np.ndarray, teacher: PointPredictor) -> Lessons:
    """What the teacher says of (n, 48, 48) uint8 crops; those in which it finds no believable face are left out."""
    draw = np.random.default_rng(1)
    points = np.stack([taught(teacher, crop, draw) for crop in crops])
    kept = np.array([believable(similarity(each)) for each in points])
    return Lessons(torch.from_numpy(crops[kept]).unsqueeze(1), torch.from_numpy(from_middle(points[kept], CROP)))


def lessons_of_photos(portraits: list[Portrait]) -> Lessons:
    """Photos cut to `AROUND` the face."""
    pictures, points = [], []
    for portrait in portraits:
        matrix = similarity(portrait.points)
        matrix[:, 2] += 0.5
        matrix *= KEPT / (CROP * AROUND)
        matrix[:, 2] += KEPT / 2 * (1 - 1 / AROUND) - 0.5
        pictures.append(cv2.warpAffine(portrait.gray, matrix, (KEPT, KEPT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        points.append(portrait.points @ matrix[:, :2].T + matrix[:, 2])
    return Lessons(torch.from_numpy(np.stack(pictures)).unsqueeze(1), torch.from_numpy(from_middle(np.stack(points), KEPT)))


def shown(lessons: Lessons, around: float, light: bool = True) -> tuple[Tensor, Tensor]:
    """Each picture as another data set's crop might have it.

    Args:
        lessons: n pictures.
        around: how much more than a crop they show.
        light: whether light, sharpness and noise change as well.

    Returns:
        (n, 1, 48, 48) float in [-1, 1], and the targets (n, 10) of `PointsNet`.
    """
    pictures, points = lessons
    n = len(pictures)
    turn = (torch.randn(n) * 0.17).clamp(-0.5, 0.5)
    scale = torch.exp(torch.randn(n).clamp(-2, 2) * 0.13) / around
    shift = torch.randn(n, 2).clamp(-2.5, 2.5) * 0.09 / around
    flip = torch.randint(0, 2, (n,)) * 2.0 - 1.0
    matrix = placement(turn, scale, uniform(n, 0.94, 1.06, pictures.device), shift, flip)
    grid = F.affine_grid(matrix, [n, 1, CROP, CROP], align_corners=False)
    crops = F.grid_sample(pictures.float() / 255, grid, mode="bilinear", padding_mode="border", align_corners=False)
    # The matrix leads from the new picture to the old one, both with corners at -1 and 1; points go the other way.
    moved = torch.linalg.solve(matrix[:, :, :2], (2 * points - matrix[:, :, 2][:, None]).transpose(1, 2)).transpose(1, 2) / 2
    moved = torch.where(flip[:, None, None] < 0, moved[:, MIRRORED], moved)
    if light:
        soft = F.avg_pool2d(F.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, 1)
        crops = torch.lerp(crops, soft, uniform(n, -0.6, 1.0, crops.device)[:, None, None, None])
        crops = lit(crops.clamp(0, 1)).clamp(0, 1)
    return crops * (255 / 128) - 1, (moved + 0.5 - torch.from_numpy(TEMPLATE).float()).flatten(1)


def export(net: PointsNet, out: Path) -> None:
    """Writes the network with int8 weights, and float between its layers: a crop of a data set can afford that."""
    import litert_torch
    from ai_edge_quantizer import quantizer, recipe

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "float.tflite"
        litert_torch.convert(folded(net.eval()), (torch.zeros(1, 1, CROP, CROP),)).export(str(whole))
        made = quantizer.Quantizer(str(whole))
        made.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        made.quantize().export_model(str(out), overwrite=True)
    out.write_bytes(compact(out.read_bytes()))


def errors(points: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Median and 95th percentile of the mean distance of five points, in % of the eyes' distance; both (n, 5, 2)."""
    eyes = np.linalg.norm(truth[:, :2].mean(1) - truth[:, 2:4].mean(1), axis=1)
    wrong = 100 * np.linalg.norm(points - truth, axis=2).mean(1) / eyes
    return {"n": len(truth), "median": round(float(np.median(wrong)), 2), "p95": round(float(np.quantile(wrong, 0.95)), 2)}


def report(photos: Lessons, teacher: PointPredictor) -> dict[str, dict[str, float]]:
    """Errors of the shipped network and of its teacher in coarse crops of photos, whose points are known from full size."""
    torch.manual_seed(0)
    pictures, targets = shown(photos, AROUND, light=False)
    crops = ((pictures[:, 0] + 1) * 128).round().clamp(0, 255).to(torch.uint8).numpy()
    truth = (targets.reshape(-1, 5, 2).numpy() + TEMPLATE) * CROP - 0.5
    draw = np.random.default_rng(0)
    answers = {
        "network": np.stack([crop_points(crop) for crop in crops]),
        "teacher, once": np.stack([taught(teacher, crop, draw, times=1) for crop in crops]),
        "teacher, mean of 8": np.stack([taught(teacher, crop, draw) for crop in crops]),
    }
    made = {name: errors(points, truth) for name, points in answers.items()}
    for name, part in made.items():
        print(f"{name}: median {part['median']} %, 95 % below {part['p95']} % of the eyes' distance (n = {part['n']})")
    return made


def learn(crops: Lessons, photos: Lessons, measured: Lessons, net: PointsNet, recipe: PointsRecipe, out: Path) -> None:
    """One course, from where `net` stands: writes `weights.pt` and `log.jsonl` into `out`."""
    torch.manual_seed(recipe.seed)
    device = best_device()
    out.mkdir(exist_ok=True)
    net = net.to(device, memory_format=torch.channels_last)
    n_photos = round(recipe.photos * recipe.batch)
    n_crops = recipe.batch - n_photos
    steps = len(crops.points) // n_crops

    def losses_of(model: torch.nn.Module, epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(len(crops.points))
        for step in range(steps):
            rows, some = order[step * n_crops : (step + 1) * n_crops], torch.randint(len(photos.points), (n_photos,))
            near = shown(Lessons(crops.pictures[rows], crops.points[rows]), 1.0)
            far = shown(Lessons(photos.pictures[some], photos.points[some]), AROUND)
            x, wanted = (torch.cat(column).to(device) for column in zip(near, far, strict=True))
            with mixed_precision(device):
                said = model(x.contiguous(memory_format=torch.channels_last))
            # From a pixel on distances count, not their squares: the teacher's errors are few and large.
            yield F.smooth_l1_loss(said.float(), wanted, beta=1 / CROP)

    def measure(model: torch.nn.Module) -> dict[str, float]:
        torch.manual_seed(0)
        x, wanted = shown(measured, AROUND, light=False)
        model.eval()
        with torch.no_grad():
            said = model(x.to(device)).float().cpu()
        template = torch.from_numpy(TEMPLATE).float()
        return errors(*((part.reshape(-1, 5, 2) + template).numpy() for part in (said, wanted)))

    fit(net, "crop_points", recipe, steps, losses_of, measure, out, mark(crops.points.numpy(), photos.points.numpy()))


def trained(runs: Path) -> PointsNet:
    """The network of a course's `weights.pt`, ready to answer."""
    net = PointsNet()
    net.load_state_dict(torch.load(runs / "weights.pt", map_location="cpu", weights_only=True)["weights"])
    return net.eval()


@one_line
def main(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
    out: Annotated[Path, typer.Option(help="The .tflite file to write, with a .json beside it.")] = CROP_POINTS,
    runs: Annotated[Path, typer.Option(help="Where the teacher's answers, weights and logs go.")] = Path("runs/crop_points"),
) -> None:
    """Trains, exports and scores the network; a run that was cut goes on."""
    path = public_predictor_path()
    teacher = PointPredictor(path)
    runs.mkdir(parents=True, exist_ok=True)
    if not (runs / "lessons.pt").exists():
        faces = load_fer2013(fer2013, "train")
        crops = lessons_of_crops(faces.pixels[faces.near_copy_in == ""], teacher)
        learned, measured = (lessons_of_photos(part) for part in read_portraits(wild, teacher.points))
        torch.save([tuple(part) for part in (crops, learned, measured)], runs / "lessons.pt")
    crops, learned, measured = (Lessons(*part) for part in torch.load(runs / "lessons.pt", weights_only=True))
    print(f"{len(crops.points)} crops and {len(learned.points)} photos to learn from", flush=True)
    learn(crops, learned, measured, PointsNet(), RECIPE, runs)
    learn(crops, learned, measured, trained(runs), SECOND, runs / "second")
    export(trained(runs / "second"), out)
    card = {
        "schema": "crop_points/1",
        "name": out.stem,
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
        "made": date.today().isoformat(),
        "teacher": {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "faces": {"crops": len(crops.points), "photos": len(learned.points), "measured_on": len(measured.points)},
        "settings": [asdict(RECIPE), asdict(SECOND)],
        "versions": package_versions(),
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    card["scores"] = report(measured, teacher)
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(f"wrote {out} ({card['bytes']} bytes) and {out.with_suffix('.json')}")


if __name__ == "__main__":
    typer.run(main)
