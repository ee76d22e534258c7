import socket

import numpy as np
import pygame
import pytest

from realtime.base.errors import Trouble
from realtime.viewers.desktop import DesktopWindow, has_display, picture_point, typed


@pytest.mark.parametrize(
    ("code", "letter"),
    [
        (pygame.K_q, "q"),
        (pygame.K_SPACE, " "),
        (pygame.K_SLASH, "/"),
        (pygame.K_ESCAPE, "\x1b"),
        (pygame.K_LEFT, ""),
        (pygame.K_F1, "F1"),
        (pygame.K_F2, ""),
        (pygame.K_LSHIFT, ""),
        (pygame.K_DELETE, ""),
        (pygame.K_RETURN, "\r"),
        (pygame.K_KP_ENTER, "\r"),
        (0xE9, ""),
        (0, ""),
    ],
)
def test_arrows_and_their_like_are_no_letters(code, letter):
    assert typed(code) == letter


@pytest.mark.parametrize(
    ("code", "text", "shift"),
    [
        (0xDF, "?", True),  # German
        (pygame.K_COMMA, "?", True),  # French
        (pygame.K_7, "?", True),  # Russian
        (pygame.K_SLASH, "?", True),
        (pygame.K_SLASH, "\uff1f", True),
        # Shift and key came at once: what is typed was not yet told.
        (pygame.K_SLASH, "/", True),
    ],
)
def test_a_question_mark_is_one_on_any_layout(code, text, shift):
    assert typed(code, text, shift) == "?"
    assert typed(pygame.K_SLASH, "/") == "/"


def test_a_point_of_the_window_is_found_in_the_picture_that_is_fitted_into_it():
    assert picture_point((30, 40), (640, 480), (640, 480)) == (30, 40)
    # Twice as large, with margins of 100 px at the left and at the right.
    assert picture_point((100, 0), (1480, 960), (640, 480)) == (0, 0)
    assert picture_point((1379, 959), (1480, 960), (640, 480)) == (639, 479)
    assert picture_point((90, 10), (1480, 960), (640, 480)) == (-5, 5)


@pytest.mark.parametrize("display", ["", "nonsense", ":997", "127.0.0.1:99", "unix:997"])
def test_no_screen_is_noticed(monkeypatch, display):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not has_display()
    with pytest.raises(Trouble, match="there is no display"):
        DesktopWindow("nowhere").show(np.zeros((4, 4, 3), np.uint8))


def test_a_compositor_of_wayland_is_a_screen_while_it_listens(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", "")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
    assert not has_display()
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind(str(tmp_path / "wayland-7"))
        compositor.listen()
        assert has_display()
        monkeypatch.setenv("WAYLAND_DISPLAY", str(tmp_path / "wayland-7"))
        assert has_display()
    assert not has_display()
