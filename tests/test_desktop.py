import pytest

from realtime.viewers.desktop import has_display, typed
from realtime.viewers.keys import NO_KEY


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (-1, NO_KEY),
        (ord("q"), ord("q")),
        (0x100000 | ord("q"), ord("q")),
        (27, 27),
        (0xFF1B, 27),
        (0xFF51, NO_KEY),
        (0x250000, 0),
        (63234, NO_KEY),
        (0xE9, NO_KEY),
    ],
)
def test_arrows_and_their_like_are_no_letters(code, key):
    assert typed(code) == key


@pytest.mark.parametrize("display", ["", "nonsense", ":997", "127.0.0.1:99", "unix:997"])
def test_no_screen_is_noticed(monkeypatch, display):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    assert not has_display()
