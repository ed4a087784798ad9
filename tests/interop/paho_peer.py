"""A client on paho-mqtt for the interoperability tests.

    paho_peer.py PORT VERSION subscribe TOPIC QOS COUNT
    paho_peer.py PORT VERSION publish TOPIC QOS PAYLOAD

VERSION is 3, 4 or 5. `subscribe` prints `ready` once the subscription is acknowledged, then a line
for each message: QoS, retain, topic, payload, and with version 5 the content type and the user
properties. `publish` ends when the message is acknowledged. Any refusal ends with 1.
"""

import sys

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_SECONDS = 50


def say(*words):
    print(*words, flush=True)


def connected_client(port, version, then):
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"paho-{version}-{port}-{sys.argv[3]}", protocol=version
    )

    def on_connect(client, userdata, flags, reason, properties):
        if reason.is_failure:
            sys.exit(f"refused: {reason}")
        then(client)

    client.on_connect = on_connect
    client.connect("127.0.0.1", port)
    return client


def subscribe(client, topic, qos, count):
    left = int(count)

    def on_subscribe(client, userdata, mid, reasons, properties):
        if any(reason.is_failure for reason in reasons):
            sys.exit(f"subscription refused: {reasons}")
        say("ready")

    def on_message(client, userdata, message):
        nonlocal left
        words = [message.qos, int(message.retain), message.topic, message.payload.decode()]
        properties = getattr(message, "properties", None)
        if properties is not None:
            words.append(getattr(properties, "ContentType", "-"))
            words.extend(f"{key}={value}" for key, value in getattr(properties, "UserProperty", []))
        say(*words)
        left -= 1
        if left == 0:
            client.disconnect()

    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.loop_forever()


def publish(client, version, topic, qos, payload):
    properties = None
    if version == mqtt.MQTTv5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "text/plain"
        properties.UserProperty = [("from", "paho")]
    client.loop_start()
    message = client.publish(topic, payload, int(qos), properties=properties)
    message.wait_for_publish(PATIENCE_SECONDS)
    if not message.is_published():
        sys.exit("not acknowledged")
    client.disconnect()
    client.loop_stop()


def main():
    port, version, verb, topic, qos, last = sys.argv[1:]
    version = int(version)
    if verb == "subscribe":
        client = connected_client(int(port), version, lambda client: client.subscribe(topic, int(qos)))
        subscribe(client, topic, qos, last)
    else:
        client = connected_client(int(port), version, lambda client: None)
        publish(client, version, topic, qos, last)


main()
