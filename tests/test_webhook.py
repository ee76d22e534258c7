"""What a web server gets when labels change."""

import base64

import pytest
from output_fakes import Stalled, WebServer, a_moment, faces, free_port, wait_until

from realtime.outputs.sender import Sender
from realtime.outputs.webhook import LabelChanges, WebhookLink
from realtime.values import LABELS


def test_each_change_is_one_event():
    changes = LabelChanges(now=lambda: 0.0)
    assert changes.select(a_moment(0)) == []
    (came,) = changes.select(a_moment(0.5, *faces("neutral")))
    assert (came["event"], came["before"], came["label"], came["id"], came["t"]) == ("label", None, "neutral", 1, 0.5)
    assert came["time"] == "1970-01-01T00:00:00.000+00:00" and list(came["probs"]) == list(LABELS)
    assert changes.select(a_moment(0.6, *faces("neutral"))) == []
    changed, other = changes.select(a_moment(0.7, *faces("fear", "anger")))
    assert (changed["before"], changed["label"], changed["id"]) == ("neutral", "fear", 1)
    assert (other["before"], other["label"], other["id"]) == (None, "anger", 2)
    (gone,) = changes.select(a_moment(0.8, *faces("fear")))
    assert gone == {"event": "gone", "t": 0.8, "time": "1970-01-01T00:00:00.000+00:00", "id": 2, "before": "anger"}


def test_a_server_gets_json_and_the_password_as_a_header():
    with WebServer() as server:
        link = WebhookLink(f"http://ana:a%40secret@127.0.0.1:{server.port}/hook?key=1#part")
        link.send({"event": "label", "label": "fear"})
        ((path, headers, event),) = server.posts
    assert path == "/hook?key=1" and event == {"event": "label", "label": "fear"}
    assert headers["Content-Type"] == "application/json"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"ana:a@secret"
    assert link.name == f"webhook http://127.0.0.1:{server.port}", "a path or password would be shown"


def test_no_redirect_is_followed():
    with WebServer() as other, WebServer(status=302, location=f"http://127.0.0.1:{other.port}/") as server:
        with pytest.raises(ConnectionError, match="it answers 302 Found; it leads elsewhere"):
            WebhookLink(f"http://127.0.0.1:{server.port}/").send({})
        server.status, server.location = 307, "file:///etc/passwd"
        with pytest.raises(ConnectionError, match="it answers 307"):
            WebhookLink(f"http://127.0.0.1:{server.port}/").send({})
    assert other.posts == [] and other.others == []


def test_what_goes_wrong_is_said_in_a_few_words(monkeypatch):
    monkeypatch.setattr("realtime.outputs.webhook.TIMEOUT_S", 0.2)
    with WebServer(status=500) as server, pytest.raises(ConnectionError, match=r"^it answers 500 Internal Server Error$"):
        WebhookLink(f"http://127.0.0.1:{server.port}/").send({})
    with pytest.raises(ConnectionRefusedError):
        WebhookLink(f"http://127.0.0.1:{free_port()}/").send({})
    with Stalled() as server, pytest.raises(TimeoutError):
        WebhookLink(f"http://127.0.0.1:{server.port}/").send({})


def test_events_wait_for_a_server_that_starts_later(monkeypatch):
    monkeypatch.setattr("realtime.outputs.sender.FIRST_PAUSE_S", 0.05)
    port, told = free_port(), []
    sender = Sender(WebhookLink(f"http://127.0.0.1:{port}/"), LabelChanges().select, 32, told.append)
    sender.start()
    for t, label in enumerate(("anger", "anger", "fear", "neutral")):
        sender.take(a_moment(t, *faces(label)))
    assert wait_until(lambda: len(told) == 1)
    with WebServer(port) as server:
        assert wait_until(lambda: len(server.posts) == 3)
        assert [event["label"] for _, _, event in server.posts] == ["anger", "fear", "neutral"]
        assert wait_until(lambda: told[1:] == [f"webhook http://127.0.0.1:{port}: sending again"])
        sender.end()
        assert sender.wait(2)
