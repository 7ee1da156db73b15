"""What paho-mqtt sees of a broker. Usage: paho_suite.py PORT VERSION TRANSPORT [CA TOKEN]

VERSION is 3 (3.1.1) or 5, TRANSPORT tcp, websockets, or either with +tls (then CA names the file of the
authority). Prints `ok <case>` or `FAIL <case>: <why>` for each case; ends with 1 if one failed.
"""

import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PORT, VERSION, TRANSPORT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
CA = sys.argv[4] if len(sys.argv) > 4 else None
TOKEN = sys.argv[5] if len(sys.argv) > 5 else None
FIVE = VERSION == 5
PATIENCE = 15
UNIQUE = f"{VERSION}-{TRANSPORT.replace('+', '-')}-{time.time_ns()}"


class Client:
    """A client that remembers what it got and lets a case wait for it."""

    def __init__(self, name, clean=True, expiry=0, will=None, port=PORT):
        self.got, self.changed, self.acks = [], threading.Condition(), 0
        self.connected = False
        kind = mqtt.MQTTv5 if FIVE else mqtt.MQTTv311
        args = {} if FIVE else {"clean_session": clean}
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"{name}-{UNIQUE}",
            protocol=kind,
            transport=TRANSPORT.split("+")[0],
            **args,
        )
        if TRANSPORT.startswith("websockets"):
            self.paho.ws_set_options(path="/mqtt")
        if CA:
            self.paho.tls_set(ca_certs=CA)
        if TOKEN:
            self.paho.username_pw_set("token", TOKEN)
        if will:
            topic, payload, delay = will
            props = None
            if FIVE:
                props = Properties(PacketTypes.WILLMESSAGE)
                props.WillDelayInterval = delay
            self.paho.will_set(topic, payload, qos=1, properties=props)
        self.paho.on_connect = self._on_connect
        self.paho.on_message = self._on_message
        self.paho.on_publish = self._on_publish
        self.paho.on_subscribe = self._on_subscribe
        self.granted = []
        props = None
        if FIVE:
            props = Properties(PacketTypes.CONNECT)
            props.SessionExpiryInterval = expiry
        more = {"clean_start": clean, "properties": props} if FIVE else {}
        self.paho.connect("localhost", port, keepalive=30, **more)
        self.paho.loop_start()
        self.wait(lambda: self.connected, "connect")

    def _note(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def _on_connect(self, _c, _u, flags, reason, _p):
        def change():
            self.connected = not reason.is_failure
            self.present = flags.session_present

        self._note(change)

    def _on_message(self, _c, _u, message):
        self._note(lambda: self.got.append(message))

    def _on_publish(self, _c, _u, _mid, _reason, _p):
        def change():
            self.acks += 1

        self._note(change)

    def _on_subscribe(self, _c, _u, _mid, reasons, _p):
        self._note(lambda: self.granted.extend(reasons))

    def wait(self, done, what):
        with self.changed:
            if not self.changed.wait_for(done, PATIENCE):
                raise AssertionError(f"{what}: nothing after {PATIENCE} s; got {[m.payload for m in self.got]}")

    def payloads(self, count):
        self.wait(lambda: len(self.got) >= count, f"{count} messages")
        return [m.payload.decode() for m in self.got]

    def subscribe(self, topic, qos=1, **kwargs):
        before = len(self.granted)
        self.paho.subscribe(topic, qos=qos, **kwargs) if "options" not in kwargs else self.paho.subscribe(topic, **kwargs)
        self.wait(lambda: len(self.granted) > before, "SUBACK")

    def publish(self, topic, payload, qos=1, retain=False, properties=None):
        before = self.acks
        self.paho.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        self.wait(lambda: self.acks > before, "acknowledgement")

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def drop(self):
        """Loses the connection without a DISCONNECT, so that the will is due."""
        self.paho.loop_stop()
        self.paho.socket().close()


def qos_both_ways():
    sub, pub = Client("sub"), Client("pub")
    sub.subscribe(f"q/{UNIQUE}/#", qos=2)
    for qos in (0, 1, 2):
        pub.publish(f"q/{UNIQUE}/{qos}", f"m{qos}", qos=qos)
    assert sub.payloads(3) == ["m0", "m1", "m2"], sub.got
    assert [m.qos for m in sub.got] == [0, 1, 2]
    sub.close(), pub.close()


def order_is_kept():
    sub, pub = Client("osub"), Client("opub")
    sub.subscribe(f"o/{UNIQUE}", qos=1)
    for n in range(200):
        pub.paho.publish(f"o/{UNIQUE}", str(n), qos=1)
    assert sub.payloads(200) == [str(n) for n in range(200)]
    sub.close(), pub.close()


def retained():
    pub = Client("rpub")
    pub.publish(f"r/{UNIQUE}", "kept", retain=True)
    sub = Client("rsub")
    sub.subscribe(f"r/{UNIQUE}")
    assert sub.payloads(1) == ["kept"] and sub.got[0].retain
    pub.publish(f"r/{UNIQUE}", "", retain=True)
    late = Client("rlate")
    late.subscribe(f"r/{UNIQUE}")
    late.subscribe(f"r/{UNIQUE}/fence")
    pub.publish(f"r/{UNIQUE}/fence", "fence")
    assert late.payloads(1) == ["fence"]
    for c in (pub, sub, late):
        c.close()


def session_resumes():
    sub = Client("ses", clean=False, expiry=600)
    sub.subscribe(f"s/{UNIQUE}", qos=1)
    sub.close()
    pub = Client("sespub")
    for n in range(20):
        pub.publish(f"s/{UNIQUE}", str(n))
    again = Client("ses", clean=False, expiry=600)
    assert again.present, "session present"
    assert again.payloads(20) == [str(n) for n in range(20)]
    again.close(), pub.close()


def will_is_sent():
    sub = Client("wsub")
    sub.subscribe(f"w/{UNIQUE}")
    dying = Client("wdie", will=(f"w/{UNIQUE}", "gone", 0))
    dying.drop()
    assert sub.payloads(1) == ["gone"]
    sub.close()


def wildcards():
    sub, pub = Client("wild"), Client("wildpub")
    sub.subscribe(f"x/{UNIQUE}/+/b", qos=0)
    pub.publish(f"x/{UNIQUE}/a/b", "yes")
    pub.publish(f"x/{UNIQUE}/a/c", "no")
    pub.publish(f"x/{UNIQUE}/z/b", "too")
    assert sub.payloads(2) == ["yes", "too"]
    sub.close(), pub.close()


def v5_properties():
    sub, pub = Client("psub"), Client("ppub")
    options = SubscribeOptions(qos=1, noLocal=True)
    props = Properties(PacketTypes.SUBSCRIBE)
    props.SubscriptionIdentifier = 7
    sub.subscribe(f"p/{UNIQUE}", options=options, properties=props)
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("a", "1"), ("b", "2")]
    sent.ContentType = "text/plain"
    sent.ResponseTopic = "answer/here"
    sent.CorrelationData = b"corr"
    sent.MessageExpiryInterval = 100
    pub.publish(f"p/{UNIQUE}", "v5", properties=sent)
    sub.payloads(1)
    got = sub.got[0].properties
    assert got.UserProperty == [("a", "1"), ("b", "2")], got
    assert got.ContentType == "text/plain" and got.ResponseTopic == "answer/here"
    assert got.CorrelationData == b"corr" and got.SubscriptionIdentifier == [7]
    assert 0 < got.MessageExpiryInterval <= 100
    sub.publish(f"p/{UNIQUE}", "echo?")
    pub.publish(f"p/{UNIQUE}", "fence")
    assert sub.payloads(2)[1] == "fence", "no local"
    sub.close(), pub.close()


def v5_shared():
    one, two, pub = Client("sh1"), Client("sh2"), Client("shpub")
    for c in (one, two):
        c.subscribe(f"$share/g/sh/{UNIQUE}", qos=1)
    for n in range(40):
        pub.publish(f"sh/{UNIQUE}", str(n))
    one.wait(lambda: len(one.got) + len(two.got) >= 40, "40 shared messages") if one.got else two.payloads(1)
    deadline = time.time() + PATIENCE
    while len(one.got) + len(two.got) < 40 and time.time() < deadline:
        time.sleep(0.02)
    both = sorted(int(m.payload) for m in one.got + two.got)
    assert both == list(range(40)), both
    assert one.got and two.got, "both members get some"
    for c in (one, two, pub):
        c.close()


CASES = [qos_both_ways, order_is_kept, retained, session_resumes, will_is_sent, wildcards]
if FIVE:
    CASES += [v5_properties, v5_shared]

failed = 0
for case in CASES:
    try:
        case()
        print("ok", case.__name__, flush=True)
    except Exception as why:  # every case is reported, whatever it raises
        failed += 1
        print(f"FAIL {case.__name__}: {type(why).__name__}: {why}", flush=True)
sys.exit(1 if failed else 0)
