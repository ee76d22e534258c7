"""Publishes readings over MQTT, for home automation and dashboards: five times a second, a JSON object for each face.

    pip install -r examples/requirements.txt
    python -m examples.publish_mqtt --host broker.local --topic home/faces --source 0

`mosquitto_sub -h broker.local -t 'home/faces/#' -v` shows the messages: home/faces/1 {"t": ..., "label": "happiness", ...}
"""

import argparse
import json
import sys

import paho.mqtt.client as mqtt

from expressions import Frame, Reading, open_pipeline

EVERY_S = 0.2


def messages(topic: str, frame: Frame, readings: list[Reading]) -> list[tuple[str, str]]:
    """Topic and payload for each face of a frame."""
    return [
        (
            f"{topic}/{reading.face.id}",
            json.dumps(
                {"t": round(frame.t, 3), "label": reading.label, "confidence": round(reading.confidence, 3), "unsure": reading.unsure}
            ),
        )
        for reading in readings
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Publishes expressions over MQTT.")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="faces")
    parser.add_argument("--source", default="0")
    args = parser.parse_args()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    try:
        client.connect(args.host, args.port)
    except OSError as error:
        sys.exit(f"no broker answers at {args.host}:{args.port} ({error}): start one, or name it with --host")
    # The client sends in a thread of its own and connects again after the broker was away, so the loop never waits.
    client.loop_start()
    next_t = None
    try:
        with open_pipeline(args.source) as faces:
            for frame, readings in faces:
                if next_t is None or frame.t >= next_t:
                    next_t = frame.t + EVERY_S
                    for topic, payload in messages(args.topic, frame, readings):
                        client.publish(topic, payload)
    except KeyboardInterrupt:
        pass
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    main()
