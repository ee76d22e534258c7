"""Makes the pictures of the README from the demo clip, as the program shows it.

    .venv/bin/python scripts/make_pictures.py

They go to docs/pictures/: `window.webp` moves; `page.webp` (two screens of a phone), `report.webp` and `calibration.webp` stand still.
It needs tests/requirements.txt, Chromium, and a machine with nothing else to do: where the page says that frames were skipped, it is
photographed anew, a few times at most. It takes about a minute. Look at each picture before it is committed.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from calibration.observation import observe  # noqa: E402
from calibration.plan import FRONT, Prompt  # noqa: E402
from calibration.screen import draw_guide  # noqa: E402
from calibration.session import TAKE, CaptureSession  # noqa: E402
from calibration.words import CaptureWords  # noqa: E402
from realtime.config import CaptureSettings, QualitySettings, Settings  # noqa: E402
from realtime.drawing.draw import draw  # noqa: E402
from realtime.drawing.fitting import fitted  # noqa: E402
from realtime.drawing.history import LabelHistory  # noqa: E402
from realtime.drawing.hud import Hud  # noqa: E402
from realtime.pipeline import build_pipeline, to_gray  # noqa: E402
from realtime.sources.films import DEMO, VideoFile  # noqa: E402
from realtime.values import Frame  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
QUALITY = 80
"""Of WebP, 1 to 100, where nothing moves."""
MOVING_QUALITY = 76
MOVING_SIZE = (560, 420)
"""Width and height of the moving picture, in pixels."""
MOVING_S = 6.2
"""How much of the clip the moving picture shows, in seconds: until its people have left."""
EVERY = 3
"""The moving picture has every third frame of the clip: 10 a second."""
PHONE = ViewportSize(width=390, height=600)
"""A phone's screen, in the page's px."""
SHARPNESS = 1.5
"""Pixels of a picture for each px of a page."""
FACE_SHOWN = "article.face:not(.empty) .bars"
"""On the page: a face that is there."""
LAST_PLACE_SURE = """() => {
  const last = [...document.querySelectorAll('#faces .face')].at(-1);
  return last !== undefined && last.matches(':not(.empty)') && !last.textContent.includes('unsure');
}"""
"""On the page: whether the last of its places, above the recordings, has a face whose label can be relied on."""
TRIES = 6
"""How often the page is photographed at most."""
REPORT = ViewportSize(width=1040, height=800)
"""The view of the report, in its px."""
FACE = slice(130, 434)
"""The columns of the clip that the first person stays in while alone."""
ALONE = 84
"""Frames of the clip with the first person alone."""


def main() -> None:
    browser_file = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_file is None:
        sys.exit("make_pictures: no Chromium is installed, which shows the pages: on Debian run `sudo apt install chromium`")
    make_moving(PICTURES / "window.webp")
    save(PICTURES / "calibration.webp", draw_calibration())
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=browser_file)
        save(PICTURES / "page.webp", photograph_calm_page(browser))
        save(PICTURES / "report.webp", photograph_report(browser, Path(folder)))
        browser.close()
    for picture in sorted(PICTURES.glob("*.webp")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


def save(path: Path, picture: np.ndarray) -> None:
    """Writes a picture, (h, w, 3) BGR uint8, as WebP."""
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


def film() -> list[Frame]:
    """The frames of the demo clip."""
    with VideoFile(DEMO) as source:
        return list(source)


def make_moving(path: Path) -> None:
    """Writes the beginning of the clip as the window shows it, moving, without end."""
    history, pictures = LabelHistory(), []
    with build_pipeline(Settings(), time.monotonic) as pipeline:
        for frame in film():
            readings = pipeline.read(frame)
            strip = history.update(frame.t, readings)
            if frame.index % EVERY == 0 and frame.t < MOVING_S:
                picture, placed = fitted(frame.image, readings, MOVING_SIZE)
                draw(picture, placed, Hud(fps=None, latency_ms=0.0, strip=strip))
                pictures.append(picture)
    animation = cv2.Animation()
    animation.frames, animation.durations = pictures, [round(1000 * EVERY / 30)] * len(pictures)
    cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, MOVING_QUALITY])


def swaying() -> Iterator[Frame]:
    """The first person of the clip alone, forwards and backwards without end, cut to the shape of a phone's camera."""
    alone = film()[:ALONE]
    there_and_back = alone + alone[-2:0:-1]
    for index in count():
        frame = there_and_back[index % len(there_and_back)]
        yield replace(frame, index=index, t=index / 30, image=np.ascontiguousarray(frame.image[:, FACE]))


def draw_calibration() -> np.ndarray:
    """What the guided capture shows in the middle of a take of happiness."""
    settings = CaptureSettings()
    prompt = Prompt("happiness", FRONT, "first", settings.hold_s)
    session = CaptureSession([prompt], settings, QualitySettings(), keep=lambda *_: None, drop=lambda *_: None)
    with build_pipeline(Settings(), time.monotonic) as pipeline:
        for frame in swaying():
            view = session.update(observe(frame, to_gray(frame.image), pipeline.read(frame), settings))
            if view.step == TAKE and all(requirement.is_met for requirement in view.requirements):
                return draw_guide(frame.image, replace(view, number=2, of=7), True, "ana, quick", CaptureWords("en"))
            if frame.t > 60:
                break
    raise SystemExit("the guided capture never took a picture of the demo clip")


def photograph_calm_page(browser: Browser) -> np.ndarray:
    """As `photograph_page`, of a session that skipped nothing. Ends the program where none of some tries did."""
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as folder:
            picture = photograph_page(browser, Path(folder))
        if picture is not None:
            return picture
    raise SystemExit(f"make_pictures: frames were skipped in {TRIES} sessions: run it when the machine has nothing else to do")


def photograph_page(browser: Browser, folder: Path) -> np.ndarray | None:
    """The page of `live --web` on a phone: its top, and further down; None where it says that frames were skipped."""
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", "demo", "--web", "--no-window", "--port", "0"]
    program = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    try:
        address = next(line for line in program.stdout if "http://" in line).split()[-1]
        page = open_page(browser, address, PHONE)
        # The program and the browser have started by then, and need less of the machine.
        page.wait_for_timeout(6000)
        page.wait_for_selector(FACE_SHOWN)
        page.click("#record")
        page.wait_for_timeout(2600)
        page.wait_for_selector(FACE_SHOWN)
        top = shot(page)
        if "skipped" in page.inner_text("body"):
            return None
        page.click("#record")
        page.wait_for_selector("#files li img, #files li .thumb *")
        page.evaluate("document.querySelector('#files-title').scrollIntoView({block: 'end'}); scrollBy(0, 260)")
        page.wait_for_timeout(800)
        page.wait_for_function(LAST_PLACE_SURE)
        lower = shot(page)
        return np.hstack([top, np.full((top.shape[0], 24, 3), 255, np.uint8), lower])
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(20)


def photograph_report(browser: Browser, folder: Path) -> np.ndarray:
    """The page of `report` about the clip, from its top."""
    for arguments in (["record", "demo", "demo.mp4"], ["report", "demo.jsonl"]):
        subprocess.run([sys.executable, ROOT / "run.py", *arguments], cwd=folder, check=True)
    page = open_page(browser, (folder / "demo.html").as_uri(), REPORT)
    page.wait_for_timeout(1500)
    return shot(page)


def open_page(browser: Browser, address: str, size: ViewportSize) -> Page:
    """A page in light colours and in a view of `size` px."""
    page = browser.new_context(color_scheme="light", viewport=size, device_scale_factor=SHARPNESS).new_page()
    page.goto(address)
    return page


def shot(page: Page) -> np.ndarray:
    """What can be seen of a page, (h, w, 3) BGR uint8."""
    return np.asarray(cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR))


if __name__ == "__main__":
    main()
