"""A POST with JSON for each change of a face's label."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from realtime.base.errors import reason
from realtime.base.version import __version__
from realtime.outputs.moments import Moment, named_values

TIMEOUT_S = 5.0
"""For so many seconds a server may say nothing before it counts as lost."""


class LabelChanges:
    """The events of a session: a face comes, its label changes, it goes."""

    def __init__(self, now: Callable[[], float] = time.time):
        """`now` gives the seconds since 1970, for the time of day in an event."""
        self._now = now
        self._labels: dict[int, str] = {}

    def select(self, moment: Moment) -> list[dict[str, Any]]:
        """The events of a moment; none in most."""
        labels = {reading.face.id: reading.label for reading in moment.readings}
        if labels == self._labels:
            return []
        before, self._labels = self._labels, labels
        when = {
            "t": round(moment.t, 6),
            "time": datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds"),
        }
        gone = [{"event": "gone", **when, "id": face, "before": label} for face, label in before.items() if face not in labels]
        return gone + [
            {"event": "label", **when, "before": before.get(reading.face.id), **named_values(reading)}
            for reading in moment.readings
            if before.get(reading.face.id) != reading.label
        ]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that leads elsewhere is an error: urllib would follow it with a GET, without the event, and to any server."""

    def redirect_request(self, *arguments: Any, **options: Any) -> None:
        return None


class WebhookLink:
    """Posts events, one after another; any answer of 200 to 299 means that it has arrived."""

    def __init__(self, address: str):
        """`address` is http:// or https://; a name and a password in it are sent as the header Authorization (Basic)."""
        parts = urlsplit(address)
        place = parts.netloc.rpartition("@")[2]
        # Many webhooks have their secret in the path.
        self.name = f"webhook {parts.scheme}://{place}"
        self._headers = {"Content-Type": "application/json", "User-Agent": f"expressions/{__version__}"}
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        self._address = urlunsplit(parts._replace(netloc=place, fragment=""))
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, item: dict[str, Any]) -> None:
        request = urllib.request.Request(self._address, json.dumps(item).encode(), self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT_S):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            leads = "; it leads elsewhere, which is not followed: name that address" if 300 <= error.code < 400 else ""
            raise ConnectionError(f"it answers {error.code} {http.client.responses.get(error.code, '')}".rstrip() + leads) from error
        except urllib.error.URLError as error:
            raise error.reason if isinstance(error.reason, OSError) else ConnectionError("no answer") from error
        except http.client.HTTPException as error:
            raise ConnectionError(f"it does not speak HTTP: {reason(error)}") from error

    def idle(self) -> None:
        pass

    def close(self) -> None:
        pass
