import os

from realtime.quiet import quiet


def test_what_native_code_prints_is_dropped_and_then_heard_again(capfd):
    os.write(2, b"before ")
    with quiet():
        os.write(2, b"noise ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_it_is_heard_again_also_after_an_error(capfd):
    try:
        with quiet():
            raise ValueError
    except ValueError:
        pass
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
