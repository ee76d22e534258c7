"""Makes whole pictures from interlaced ones, whose even and odd rows are of two moments."""

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter import Graph


class Deinterlacer:
    """Passes pictures on until the first interlaced one comes; from then on FFmpeg's filter bwdif works on those that are interlaced.

    Every picture comes out once, at its own time. The filter looks at the next picture too, so pictures come out one later.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def update(self, picture: "VideoFrame") -> list["VideoFrame"]:
        """Takes a picture and returns those that are ready."""
        if self._graph is None and not picture.interlaced_frame:
            return [picture]
        ready = []
        kind = (picture.width, picture.height, picture.format.name)
        if kind != self._kind:
            ready = self.rest()
            if not picture.interlaced_frame:
                return [*ready, picture]
            self._graph, self._kind = _graph(picture), kind
        assert self._graph is not None, "made with the first picture of this kind"
        self._graph.vpush(picture)
        return ready + self._pull(self._graph)

    def rest(self) -> list["VideoFrame"]:
        """The picture that still waits; the next interlaced one begins anew."""
        graph, self._graph, self._kind = self._graph, None, None
        if graph is None:
            return []
        graph.vpush(None)
        return self._pull(graph)

    def _pull(self, graph: "Graph") -> list["VideoFrame"]:
        import av

        ready = []
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                ready.append(graph.vpull())
        return ready


def _graph(picture: "VideoFrame") -> "Graph":
    """The filter for pictures like this one."""
    from av.filter import Graph

    graph = Graph()
    entry = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base)
    graph.link_nodes(entry, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    return graph
