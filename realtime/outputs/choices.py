"""Which outputs the user asks for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputChoices:
    """The outputs of `live`; all are off unless asked for.

    Attributes:
        osc: "HOST:PORT" that gets OSC messages, or None.
        lsl: whether the readings are streams of the Lab Streaming Layer.
        mqtt: "HOST", "HOST:PORT" or "mqtts://HOST" of an MQTT broker, or None.
        webhook: the address that gets a POST for each change of a label, or None.
        virtual_camera: whether the labelled picture goes to a virtual camera.
    """

    osc: str | None = None
    lsl: bool = False
    mqtt: str | None = None
    webhook: str | None = None
    virtual_camera: bool = False
