"""Trains the network that finds the five points in a data set's 48x48 face crop (`models/framing.py`), and scores it.

    python -m models.train_crop_points --fer2013 DIR --wild WILD --out models/crop_points.tflite

dlib's public predictor is the teacher. In a coarse crop it makes errors, so it gets each crop several times in different boxes, and the
network learns the mean of its answers. Photos of faces_wild, in which it finds the points at full size, are cut like crops and learned from
as well. The network gets all of them turned, moved, scaled and in other light. Every third person of the photos is only measured on.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from models.augment import lit, placement, uniform
from models.card import points_card, replace_model, write_card
from models.checkpoint import save_whole
from models.cli import one_line
from models.datasets import load_fer2013
from models.device import best_device, mixed_precision
from models.dlib_files import public_predictor_path
from models.face_table import mark
from models.framing import CROP_POINTS, believable, crop_points
from models.network import PointsNet
from models.quantize import convert_weights
from models.train_landmarks import LandmarkExample, jittered, read_examples
from models.training import TrainingSettings, fit
from realtime.base.geometry import box_around
from realtime.faces.align import TEMPLATE, similarity
from realtime.faces.landmarks import MIRRORED, PointPredictor
from realtime.values import CROP


@dataclass(frozen=True)
class CropPointsSettings(TrainingSettings):
    """What the network depends on, saved with its scores."""

    epochs: int = 20
    learning_rate: float = 0.08
    weight_decay: float = 1e-4
    photos: float = 0.28  # share of each batch


FIRST = CropPointsSettings()
"""The settings of the first course."""

SECOND = replace(FIRST, epochs=5, learning_rate=0.03, warmup_epochs=1, photos=0.6)
"""The settings of the second course. It continues from the first, mostly on photos: they are few, but their points are exact to a tenth of
a pixel of a crop."""


ZOOM, RIM = 4, 32
"""How many times a crop is enlarged for the teacher, which needs faces of about 150 pixels; and the pixels by which its box may leave the
crop."""

AROUND = 1.7
"""How many times wider than a crop a face is cut from a photo, so that its surroundings can come into the picture."""

PHOTO_SIDE = 96
"""Side in pixels of such a cut."""


class LabelledPictures(NamedTuple):
    """Pictures (n, 1, side, side) uint8 and their points (n, 5, 2) as shares of the side, measured from the middle."""

    pictures: Tensor
    points: Tensor


def teacher_points(teacher: PointPredictor, crop: np.ndarray, draw: np.random.Generator, times: int = 8) -> np.ndarray:
    """(5, 2) pixels of a (48, 48) uint8 crop by the teacher: two predictions, the first in the box of an average face, then the mean of
    `times` predictions in boxes about the second."""
    large = cv2.resize(crop, (CROP * ZOOM, CROP * ZOOM), interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE)
    points = TEMPLATE * CROP * ZOOM + RIM
    for _ in range(2):
        points = teacher.points(large, box_around(points))
    box = box_around(points)
    points = np.mean([teacher.points(large, jittered(box, draw, 0.02, 0.04)) for _ in range(times)], axis=0)
    # Enlarging keeps the corners of a picture in place, not the centres of its pixels.
    return (points - RIM + 0.5) / ZOOM - 0.5


def from_middle(points: np.ndarray, side: int) -> np.ndarray:
    """Pixels (..., 2) of a picture as shares of its side, measured from the middle."""
    return ((points + 0.5) / side - 0.5).astype(np.float32)


def label_crops(crops: np.ndarray, teacher: PointPredictor) -> LabelledPictures:
    """The teacher's points of (n, 48, 48) uint8 crops; crops with points that are not believable are left out."""
    draw = np.random.default_rng(1)
    points = np.stack([teacher_points(teacher, crop, draw) for crop in crops])
    usable = np.array([believable(similarity(each)) for each in points])
    return LabelledPictures(torch.from_numpy(crops[usable]).unsqueeze(1), torch.from_numpy(from_middle(points[usable], CROP)))


def cut_photos(examples: list[LandmarkExample]) -> LabelledPictures:
    """The faces of photos, cut `AROUND` times wider than a crop."""
    pictures, points = [], []
    for example in examples:
        matrix = similarity(example.points)
        matrix[:, 2] += 0.5
        matrix *= PHOTO_SIDE / (CROP * AROUND)
        matrix[:, 2] += PHOTO_SIDE / 2 * (1 - 1 / AROUND) - 0.5
        pictures.append(
            cv2.warpAffine(example.gray, matrix, (PHOTO_SIDE, PHOTO_SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
        points.append(example.points @ matrix[:, :2].T + matrix[:, 2])
    return LabelledPictures(torch.from_numpy(np.stack(pictures)).unsqueeze(1), torch.from_numpy(from_middle(np.stack(points), PHOTO_SIDE)))


def augmented(examples: LabelledPictures, around: float, light: bool = True) -> tuple[Tensor, Tensor]:
    """Each picture as a crop of another data set might show it.

    Args:
        examples: n pictures.
        around: how many times wider than a crop they are.
        light: whether light, sharpness and noise change as well.

    Returns:
        (n, 1, 48, 48) float in [-1, 1], and the targets (n, 10) of `PointsNet`.
    """
    pictures, points = examples
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


def error_summary(points: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """n, median and 95th percentile of the mean distance of five points (n, 5, 2) from the true ones, in % of the eyes' distance."""
    eyes = np.linalg.norm(truth[:, :2].mean(1) - truth[:, 2:4].mean(1), axis=1)
    errors = 100 * np.linalg.norm(points - truth, axis=2).mean(1) / eyes
    return {"n": len(truth), "median": round(float(np.median(errors)), 2), "p95": round(float(np.quantile(errors, 0.95)), 2)}


def report(photos: LabelledPictures, teacher: PointPredictor) -> dict[str, dict[str, float]]:
    """Errors of the shipped network and of its teacher in coarse crops of photos, whose true points are known from full size."""
    torch.manual_seed(0)
    pictures, targets = augmented(photos, AROUND, light=False)
    crops = ((pictures[:, 0] + 1) * 128).round().clamp(0, 255).to(torch.uint8).numpy()
    truth = (targets.reshape(-1, 5, 2).numpy() + TEMPLATE) * CROP - 0.5
    draw = np.random.default_rng(0)
    answers = {
        "network": np.stack([crop_points(crop) for crop in crops]),
        "teacher, once": np.stack([teacher_points(teacher, crop, draw, times=1) for crop in crops]),
        "teacher, mean of 8": np.stack([teacher_points(teacher, crop, draw) for crop in crops]),
    }
    results = {name: error_summary(points, truth) for name, points in answers.items()}
    for name, part in results.items():
        print(f"{name}: median {part['median']} %, 95 % below {part['p95']} % of the eyes' distance (n = {part['n']})")
    return results


def learn(
    crops: LabelledPictures, photos: LabelledPictures, measured: LabelledPictures, net: PointsNet, settings: CropPointsSettings, out: Path
) -> None:
    """One course, which continues from `net`: writes `weights.pt` and `log.jsonl` into `out`."""
    torch.manual_seed(settings.seed)
    device = best_device()
    out.mkdir(exist_ok=True)
    net = net.to(device, memory_format=torch.channels_last)
    n_photos = round(settings.photos * settings.batch)
    n_crops = settings.batch - n_photos
    steps = len(crops.points) // n_crops

    def losses_of(model: torch.nn.Module, epoch: int) -> Iterator[Tensor]:
        order = torch.randperm(len(crops.points))
        for step in range(steps):
            rows, some = order[step * n_crops : (step + 1) * n_crops], torch.randint(len(photos.points), (n_photos,))
            near = augmented(LabelledPictures(crops.pictures[rows], crops.points[rows]), 1.0)
            far = augmented(LabelledPictures(photos.pictures[some], photos.points[some]), AROUND)
            x, target = (torch.cat(column).to(device) for column in zip(near, far, strict=True))
            with mixed_precision(device):
                prediction = model(x.contiguous(memory_format=torch.channels_last))
            # Beyond a pixel the loss grows with the distance, not with its square: the teacher's errors are few and large.
            yield F.smooth_l1_loss(prediction.float(), target, beta=1 / CROP)

    def measure(model: torch.nn.Module) -> dict[str, float]:
        torch.manual_seed(0)
        x, target = augmented(measured, AROUND, light=False)
        model.eval()
        with torch.no_grad():
            prediction = model(x.to(device)).float().cpu()
        template = torch.from_numpy(TEMPLATE).float()
        return error_summary(*((part.reshape(-1, 5, 2) + template).numpy() for part in (prediction, target)))

    fit(net, "crop_points", settings, steps, losses_of, measure, out, mark(crops.points.numpy(), photos.points.numpy()))


def load_course(runs: Path) -> PointsNet:
    """The network of a course's `weights.pt`, in evaluation mode."""
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
    """Trains, exports and scores the network; continues a run that was stopped."""
    path = public_predictor_path()
    teacher = PointPredictor(path)
    runs.mkdir(parents=True, exist_ok=True)
    if not (runs / "lessons.pt").exists():
        faces = load_fer2013(fer2013, "train")
        crops = label_crops(faces.pixels[faces.near_copy_in == ""], teacher)
        photos, measured = (cut_photos(part) for part in read_examples(wild, teacher.points))
        save_whole([tuple(part) for part in (crops, photos, measured)], runs / "lessons.pt")
    crops, photos, measured = (LabelledPictures(*part) for part in torch.load(runs / "lessons.pt", weights_only=True))
    print(f"{len(crops.points)} crops and {len(photos.points)} photos to learn from", flush=True)
    learn(crops, photos, measured, PointsNet(), FIRST, runs)
    learn(crops, photos, measured, load_course(runs), SECOND, runs / "second")
    content = convert_weights(load_course(runs / "second"), (1, 1, CROP, CROP))
    counts = {"crops": len(crops.points), "photos": len(photos.points), "measured_on": len(measured.points)}
    card = points_card("crop_points/1", out.stem, content, path, counts, [asdict(FIRST), asdict(SECOND)])
    replace_model(out, content, card)
    # The report loads the file from its final place.
    card["scores"] = report(measured, teacher)
    write_card(out.with_suffix(".json"), card)
    print(f"wrote {out} ({card['bytes']} bytes) and {out.with_suffix('.json')}")


if __name__ == "__main__":
    typer.run(main)
