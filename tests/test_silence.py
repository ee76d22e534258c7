import os
import threading

from realtime.base.silence import quiet


def test_stderr_is_discarded_inside_and_restored_after(capfd):
    os.write(2, b"before ")
    with quiet():
        os.write(2, b"noise ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_stderr_is_restored_after_an_error(capfd):
    try:
        with quiet():
            raise ValueError
    except ValueError:
        pass
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_two_threads_may_be_inside_and_leave_in_any_order(capfd):
    inside, leave = threading.Event(), threading.Event()

    def open_slowly() -> None:
        with quiet():
            inside.set()
            leave.wait(5)

    opening = threading.Thread(target=open_slowly)
    with quiet():
        opening.start()
        assert inside.wait(5)
    os.write(2, b"while one is still inside\n")
    leave.set()
    opening.join(5)
    os.write(2, b"after both\n")
    assert capfd.readouterr().err == "after both\n"
