"""What a reader of the Lab Streaming Layer gets; skipped where pylsl has no liblsl."""

import math
import time
from types import SimpleNamespace

import pytest
from fakes import FakeClock
from output_fakes import a_moment, faces

from realtime.outputs.lsl import CHANNELS, LslLink, sample_of
from realtime.values import LABELS


class FakeLsl:
    """The part of pylsl that is used, with a clock of its own."""

    IRREGULAR_RATE, cf_float32 = 0.0, 1

    def __init__(self, clock, ahead):
        self.local_clock = lambda: clock() + ahead
        self.outlets = []

    def StreamInfo(self, *values):  # noqa: N802
        child = SimpleNamespace(append_child_value=lambda *pair: None)
        child.append_child = lambda name: child
        return SimpleNamespace(values=values, desc=lambda: child)

    def StreamOutlet(self, info, max_buffered):  # noqa: N802
        samples = []
        self.outlets.append((info.values, samples))
        return SimpleNamespace(push_sample=lambda values, t: samples.append((t, values)))


def test_each_place_has_a_stream_with_a_sample_a_frame():
    clock = FakeClock(50.0)
    library = FakeLsl(clock, 1000.0)
    link = LslLink("machine", library, clock)
    for t, labels in ((0, ()), (1, ("anger",)), (2, ("anger", "fear")), (3, ("anger",))):
        link.send(a_moment(t, *faces(*labels), clock_t=40.0 + t))
    (first, samples), (second, others) = library.outlets
    assert first == ("expressions", "Expressions", 11, 0.0, 1, "expressions_machine_1")
    assert second[0] == "expressions 2" and second[5] == "expressions_machine_2"
    assert [t for t, _ in samples] == [1040.0, 1041.0, 1042.0, 1043.0]
    assert [t for t, _ in others] == [1042.0, 1043.0]
    assert all(map(math.isnan, samples[0][1])) and all(map(math.isnan, others[1][1]))
    assert samples[1][1] == sample_of(faces("anger")[0]) and others[0][1] == sample_of(faces("anger", "fear")[1])


def test_the_clocks_are_compared_once():
    clock = FakeClock()
    library = FakeLsl(clock, 7.0)
    link = LslLink("machine", library, clock)
    link.send(a_moment(0, clock_t=0.0))
    library.local_clock = lambda: clock() + 99.0
    link.close()
    link.send(a_moment(1, clock_t=1.0))
    assert [samples[-1][0] for _, samples in library.outlets] == [7.0, 8.0]


def test_what_the_library_cannot_do_is_an_error_of_the_system():
    library = FakeLsl(FakeClock(), 0.0)

    def fail(*arguments, **options):
        raise RuntimeError("could not create stream outlet.")

    library.StreamOutlet = fail
    with pytest.raises(OSError, match="could not create"):
        LslLink("machine", library, FakeClock()).send(a_moment())


def test_a_sample_has_the_probabilities_and_the_label_s_number():
    (reading,) = faces("sadness")
    values = dict(zip(CHANNELS, sample_of(reading), strict=True))
    assert [values[label] for label in LABELS] == [float(p) for p in reading.probs]
    assert LABELS[int(values["label"])] == "sadness"
    assert (values["sure"], values["id"], values["confidence"]) == (1.0, 1.0, pytest.approx(reading.confidence))


def test_a_reader_gets_values_times_and_names_and_nothing_is_printed(capfd):
    try:
        import pylsl
    except (ImportError, RuntimeError):
        pytest.skip("needs pylsl and liblsl")
    host = f"test-{time.monotonic_ns()}"
    link = LslLink(host, pylsl)
    (reading,) = faces("surprise")
    link.send(a_moment(0))
    (info,) = pylsl.resolve_byprop("source_id", f"expressions_{host}_1", 1, 10)
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(10)
    asked = time.monotonic()
    link.send(a_moment(1, reading, clock_t=asked))
    values, t = inlet.pull_sample(10)
    channel, names = inlet.info().desc().child("channels").child("channel"), []
    while not channel.empty():
        names.append(channel.child_value("label"))
        channel = channel.next_sibling()
    link.close()
    assert tuple(names) == CHANNELS and inlet.info().desc().child_value("labels").split() == list(LABELS)
    assert values == pytest.approx(sample_of(reading), rel=1e-6)
    assert abs((t - pylsl.local_clock()) - (asked - time.monotonic())) < 0.001
    assert "INFO" not in capfd.readouterr().err
