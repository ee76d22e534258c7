import pytest

from realtime.base.machine import describe_machine, describe_throttling, is_small, read_heat


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("throttled=0x0", ()),
        ("0", ()),
        ("throttled=0x50005", ("under-voltage now", "throttled now", "under-voltage since the start", "throttled since the start")),
        ("80008", ("soft temperature limit now", "soft temperature limit since the start")),
        ("", None),
        (None, None),
        ("VCHI initialization failed", None),
    ],
)
def test_the_bits_of_get_throttled_have_words(answer, words):
    assert describe_throttling(answer) == words


@pytest.mark.parametrize(
    ("board", "architecture", "top_ghz", "small"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "aarch64", 1.8, True),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "aarch64", None, True),
        ("Raspberry Pi Zero 2 W Rev 1.0", "aarch64", 1.0, True),
        ("Raspberry Pi 400 Rev 1.0", "aarch64", None, True),
        ("Raspberry Pi 5 Model B Rev 1.0", "aarch64", 2.4, False),
        ("Raspberry Pi 500 Rev 1.0", "aarch64", 2.4, False),
        ("Libre Computer AML-S905X-CC", "aarch64", 1.5, True),
        ("Libre Computer AML-S905X-CC", "aarch64", None, False),
        (None, "aarch64", 1.0, False),
        (None, "x86_64", 1.2, False),
    ],
)
def test_which_boards_are_small(board, architecture, top_ghz, small):
    assert is_small(board, architecture, top_ghz) == small


def test_the_description_of_the_machine_has_heat_and_power():
    description, now = describe_machine(), read_heat()
    assert {"board", "governor", "temperature_c", "throttled"} <= description.keys()
    assert (description["throttled"] is None) == (now.throttled is None)
