"""The sound of a film in its recording: which track, copied or converted, at which time."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.base.errors import reason
from realtime.recording.film_clock import place
from realtime.recording.tracks import UNUSABLE, ConvertedTrack, CopiedTrack, Placed, Track, can_be_converted, can_be_copied, codec_name
from realtime.recording.video import INTERLEAVE_S
from realtime.sources.containers import film_stream, open_local

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

AHEAD_S = 2 * INTERLEAVE_S
"""Late sound is given so far in advance: FFmpeg passes packets on to the file once others queue behind them for `INTERLEAVE_S`."""
TRIED = 64
"""Packets with which a track is tried: one to two seconds."""

MISSING_S = 0.2
"""Seconds of sound that may overlap without a word: the joints of a film that was glued together."""


class FilmSound:
    """The sound of a film, each piece at its own time relative to the pictures.

    Codecs that the file and browsers can hold are copied packet by packet, others are converted to AAC. What is left out is told.
    """

    def __init__(
        self,
        path: Path | str,
        tell: Callable[[str], None],
        seconds: float | None = None,
        cut: Callable[[], bool] = lambda: False,
        number: int | None = None,
        open: "Callable[[], InputContainer] | None" = None,
    ):
        """
        Args:
            path: the film's file, or what a film that is no file is called in messages.
            tell: gets a line about what is converted or missing.
            seconds: how much of the film is recorded; None for all.
            cut: says at the end whether the pictures ended early, so that the sound must end there too.
            number: of the track, from 1; None for the film's default track.
            open: opens the film anew, at its beginning; None: opens its file.
        """
        self.path, self.tell, self.seconds, self.cut, self.number = path, tell, seconds, cut, number
        self._open_film = open or (lambda: open_local(Path(path)))
        self._film: InputContainer | None = None
        self._packets: Iterator[Placed] = iter(())
        self._next: Placed | None = None
        self._track: Track | None = None
        self._started = False
        self._damaged = 0
        self._damaged_s = 0.0

    def begin(self, container: "OutputContainer", t: float) -> None:
        """See `realtime.recording.video.Sound`."""
        import av

        self.close()
        try:
            self._choose(container, t)
        except (av.error.FFmpegError, OSError) as error:
            self._track = self._next = None
            self.tell(f"{self.path} is recorded without sound: it cannot be read a second time ({reason(error)})")

    def _choose(self, container: "OutputContainer", t: float) -> None:
        """Takes the first track that can be kept, and tells what is left out; raises what PyAV raises."""
        names, default, subtitles = self._content()
        first = self.number if self.number is not None and self.number <= len(names) else default
        notes = [] if self.number is None or self.number == first else [f"it has no track {self.number} of sound"]
        for number in sorted(range(1, len(names) + 1), key=lambda number: number != first):
            source, packets = self._read(number, t)
            trial = list(islice(packets, TRIED))
            if not trial:
                notes.append(f"track {number} of sound is empty")
                continue
            if self.seconds is not None and trial[0][1] > self.seconds:
                # A track without a packet would hold back the index of the whole file.
                return
            codec, is_copied = codec_name(source), can_be_copied(source, container.format.name, trial)
            if not is_copied:
                source, packets = self._read(number, t)
                if not can_be_converted(source, list(islice(packets, TRIED))):
                    notes.append(f"its sound ({codec}) cannot be decoded")
                    continue
                notes.append(f"its sound is converted from {codec} to AAC, which browsers play")
            source, self._packets = self._read(number, t)
            self._step()
            if self._next is not None:
                self._track = CopiedTrack(source, container, self._next[0]) if is_copied else ConvertedTrack(source, container)
                others = [f"track {i} of sound ({name})" for i, name in enumerate(names, 1) if i != number]
                self._tell_rest(notes, others, subtitles)
            return
        if names:
            self.tell(f"{self.path} is recorded without sound: {'; '.join(notes)}")

    def _content(self) -> tuple[list[str], int, int]:
        """Names of the tracks of sound, the number of the default one, from 1, and how many tracks of subtitles there are."""
        streams = self._open().streams
        names = [", ".join(filter(None, (codec_name(track), track.language))) for track in streams.audio]
        default = next((i for i, track in enumerate(streams.audio, 1) if track.disposition & track.disposition.default), 1)
        return names, default, len(streams.subtitles)

    def _tell_rest(self, notes: list[str], others: list[str], subtitles: int) -> None:
        """Tells how the sound is kept and what is not, in one line; nothing where all is copied."""
        missing = others + ([f"{subtitles} track{'s' if subtitles > 1 else ''} of subtitles"] if subtitles else [])
        if missing:
            notes = [*notes, f"left out: {', '.join(missing)}"]
        if others:
            notes = [*notes, "--audio N chooses another track"]
        if notes:
            self.tell(f"{self.path}: {'; '.join(notes)}")

    def _open(self) -> "InputContainer":
        """Opens the film anew, at its beginning; raises what PyAV raises."""
        self.close()
        self._film = self._open_film()
        return self._film

    def _read(self, number: int, t: float) -> tuple["AudioStream", Iterator[Placed]]:
        """A track and its packets from the beginning of the film, whose first picture has the time `t`."""
        film = self._open()
        source = film.streams.audio[number - 1]
        return source, place(film, film_stream(film, str(self.path)), source, t)

    def until(self, elapsed_s: float) -> list["Packet"]:
        """See `realtime.recording.video.Sound`."""
        packets: list[Packet] = []
        if self._track is None:
            return packets
        if not self._started:
            packets += self._track.begin()
            if not packets and self._next is not None and self._next[1] > 0:
                # Sound that begins after the pictures: its first packets are returned at once, because the file gets no index without them.
                elapsed_s = max(elapsed_s, self._next[1] + AHEAD_S)
            self._started = True
        elapsed_s = min(elapsed_s, self.seconds or elapsed_s)
        while self._next is not None and self._next[1] <= elapsed_s:
            packets += self._add(self._track, *self._next)
            self._step()
        return packets

    def _add(self, track: Track, packet: "Packet", t: float) -> list["Packet"]:
        """What is written of a packet; nothing of one that is damaged."""
        import av

        duration_s = float((packet.duration or 0) * (packet.time_base or 0))
        try:
            return track.add(packet, t)
        except (av.error.FFmpegError, *UNUSABLE):
            self._damaged_s += duration_s
            self._damaged += 1
            return []

    def rest(self, elapsed_s: float, cut: bool) -> list["Packet"]:
        """See `realtime.recording.video.Sound`; all packets where the film was recorded to its end."""
        packets = self.until(elapsed_s if cut or self.cut() else float("inf"))
        if self._track is None:
            return packets
        packets += self._track.rest()
        missing = [f"{self._damaged} damaged packets ({self._damaged_s:.1f} s)"] if self._damaged else []
        overlap_s = self._track.overlap_s
        missing += [f"{overlap_s:.1f} s that overlap what came before"] if overlap_s > MISSING_S else []
        if missing:
            self.tell(f"{self.path}: parts of its sound are missing: {' and '.join(missing)}")
        return packets

    def _step(self) -> None:
        """Reads the next packet."""
        import av

        try:
            self._next = next(self._packets, None)
        except (av.error.FFmpegError, OSError) as error:
            self._next = None
            self.tell(f"{self.path}: its sound is damaged and breaks off early ({reason(error)})")

    def close(self) -> None:
        """Closes the film."""
        film, self._film = self._film, None
        if film is not None:
            film.close()
