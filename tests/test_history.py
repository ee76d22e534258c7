from dataclasses import replace

import pytest
from fakes import a_reading

from realtime.drawing.history import ROWS, SPAN_S, LabelHistory, Span


def face(label: str, id: int = 1, unsure: str | None = None):
    reading = a_reading(label, unsure=unsure)
    return replace(reading, face=replace(reading.face, id=id))


def test_labels_become_spans_that_age():
    history = LabelHistory()
    for i in range(31):
        rows = history.update(i / 10, [face("neutral" if i < 20 else "happiness")])
    [row] = rows
    assert [span.label for span in row] == ["neutral", "happiness"]
    assert (row[0].start, row[1].end) == (pytest.approx(3.0), 0)
    assert row[0].end == pytest.approx(row[1].start)


def test_what_is_older_than_the_strip_is_forgotten():
    history = LabelHistory()
    for i in range(300):
        [row] = history.update(i / 10, [face("anger" if i % 100 < 50 else "fear")])
    assert max(span.start for span in row) == SPAN_S and len(row) <= 4
    assert history.update(100.0, []) == ()
    [row] = history.update(100.1, [face("fear")])
    assert row == (Span("fear", 0.0, 0.0),)


def test_unsure_has_no_label_and_an_absence_leaves_a_gap():
    history = LabelHistory()
    history.update(0.0, [face("anger")])
    history.update(0.4, [face("anger", unsure="tie")])
    history.update(3.0, [face("anger")])
    [row] = history.update(3.2, [face("anger")])
    assert [span.label for span in row] == ["anger", None, "anger"]
    assert row[1].end == pytest.approx(2.8) and row[2].start == pytest.approx(0.2)


def test_each_face_has_its_row_in_the_order_of_ids():
    history = LabelHistory()
    rows = history.update(0.0, [face("fear", id) for id in (9, 2, 5, 7, 3)])
    assert len(rows) == ROWS
    history.update(1.0, [face("anger", 2)])
    rows = history.update(1.1, [face("anger", 2), face("surprise", 9)])
    assert [row[-1].label for row in rows] == ["anger", "surprise"]
