#!/usr/bin/python3 -I
"""linewatch.py - a sensor in Python: lines of a text file that begin with a word become findings. It is a plugin of mamori by itself: its
description stands below, and it speaks the plugin protocol (docs/plugin-protocol.md) with python3-zmq and python3-msgpack."""
import json
import os
import re
import select
import socket
import struct
import time

import msgpack
import zmq

DESCRIPTION = """<mamori-plugin-description>
{
  "protocol": 1,
  "id": "org.example.linewatch", "name": "linewatch", "version": "0.1.0", "vendor": "mamori", "license": "Apache-2.0",
  "doc": "lines of a text file that begin with a word become findings",
  "sides": ["endpoint"], "detects": ["host"], "roles": ["sensor"], "needs": ["files_ro"],
  "events": ["finding"],
  "config": [
    {"name": "file", "type": "text", "required": true, "doc": "the text file that is followed"},
    {"name": "word", "type": "text", "default": "alarm:", "doc": "what a line begins with that is worth a finding"},
    {"name": "look", "type": "duration", "default": "500ms", "min": 10, "max": 60000, "doc": "how often the file is looked at"}
  ]
}
</mamori-plugin-description>"""

TETHER, ASSIGNMENT = 3, 4
STOP, READY, BEAT, REFUSED = 7, 33, 34, 35
HELLO, WELCOME, DATA, ACK, CMD, PING, PONG, BYE, ERROR = 1, 2, 3, 4, 6, 8, 9, 13, 14
NONE, RECORDS, FIELDS = 0, 1, 2
URGENT, FINDINGS = 0, 1
EVENT = 1
GO_BACK, SAY_HELLO = 1, 2
WINDOW = 1024


class Tether:
    """The supervisor's socket: what we are told to do, and once a second that we live."""

    def __init__(self):
        self.socket = socket.socket(fileno=TETHER)
        self.tick = self.emitted = 0
        self.next_beat = None

    def send(self, kind, tail=b""):
        self.socket.send(struct.pack("=II", kind, 0) + tail)

    def refuse(self, why):
        self.send(REFUSED, why.encode()[:1024])
        raise SystemExit(2)

    def ready(self):
        self.send(READY)
        self.next_beat = time.monotonic()

    def beat(self):
        if self.next_beat is not None and time.monotonic() >= self.next_beat:
            self.tick += 1
            self.next_beat = time.monotonic() + 1
            self.send(BEAT, struct.pack("=QII9Q", self.tick, 1, 0, self.emitted, *[0] * 8))

    def is_told_to_end(self):
        """True: STOP, or the supervisor is gone. What is not known is left alone."""
        while select.select([self.socket], [], [], 0)[0]:
            message = self.socket.recv(192 * 1024)
            if len(message) < 8 or struct.unpack_from("=I", message)[0] == STOP:
                return True
        return False


class Bus:
    """The local bus: records of lanes 0 and 1, numbered, kept until they are acknowledged."""

    def __init__(self, endpoint, secret):
        self.secret = secret
        self.epoch = os.urandom(16)
        self.boot = bytes.fromhex(open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", ""))
        self.acked, self.last = [0, 0], [0, 0]
        self.next = [1, 1]         # to send, by lane
        self.window = [{}, {}]     # what is not acknowledged, by number
        self.number = 0            # of our instance
        self.is_up = False
        self.heard = self.asked = 0.0
        self.socket = zmq.Context(io_threads=1).socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 200), (zmq.SNDHWM, 64), (zmq.RCVHWM, 256), (zmq.IMMEDIATE, 1), (zmq.MAXMSGSIZE, 257 * 1024)):
            self.socket.setsockopt(option, value)
        self.socket.connect(endpoint)

    def send(self, kind, lane=0, seq=0, body_type=NONE, body=b""):
        """False: it does not go now."""
        zero = bytes(16)
        try:
            self.socket.send(msgpack.packb([1, kind, lane, 0, zero, self.epoch, seq, zero, time.time_ns(), time.monotonic_ns(), self.boot,
                                            body_type, body]), zmq.DONTWAIT)
            return True
        except zmq.Again:
            return False

    def has_room(self):
        return len(self.window[URGENT]) < WINDOW

    def emit(self, event, lane=URGENT):
        """The event's number; it is kept, and sent again if need be, until the core has committed it."""
        self.number += 1
        self.last[lane] += 1
        self.window[lane][self.last[lane]] = (self.number, msgpack.packb([0, EVENT, self.number, msgpack.packb(event)]))
        return self.number

    def take_ack(self, lane, upto, go_back=False):
        upto = min(upto, self.last[lane])
        for seq in range(self.acked[lane] + 1, upto + 1):
            del self.window[lane][seq]
        self.acked[lane] = max(self.acked[lane], upto)
        if go_back or self.next[lane] <= self.acked[lane]:
            self.next[lane] = self.acked[lane] + 1

    def committed(self):
        """Every event up to this number is the core's now."""
        waiting = [number for lane in self.window for number, _ in lane.values()]
        return min(waiting) - 1 if waiting else self.number

    def take(self, frame):
        _, kind, lane, flags, _, epoch, seq, _, _, _, _, _, body, *_ = msgpack.unpackb(frame)
        self.heard = time.monotonic()
        if kind == WELCOME and epoch == self.epoch:
            unpacker = msgpack.Unpacker()
            unpacker.feed(body)
            for each in (URGENT, FINDINGS):
                self.take_ack(each, next(unpacker), go_back=True)
            self.is_up = True
        elif kind == ACK and epoch == self.epoch and lane <= FINDINGS:
            self.take_ack(lane, seq, bool(flags & GO_BACK))
        elif kind == ERROR and flags & SAY_HELLO:
            self.is_up = False
        # PONG: being heard is all it is for. CMD, DATA: orders and records; a sensor has no use for them

    def work(self):
        while self.socket.poll(0):
            self.take(self.socket.recv())
        now = time.monotonic()
        if self.is_up and now - self.heard > 10:
            self.is_up = False
        if not self.is_up and now - self.asked > 2:
            pack = msgpack.packb
            body = pack(self.secret) + b"".join(pack(self.acked[lane] + 1) + pack(self.last[lane]) for lane in (URGENT, FINDINGS))
            if self.send(HELLO, body_type=FIELDS, body=body):
                self.asked = now
        elif self.is_up and now - self.heard > 2 and now - self.asked > 2 and self.send(PING):
            self.asked = now
        for lane in (URGENT, FINDINGS):
            while self.is_up and self.next[lane] <= self.last[lane]:
                if not self.send(DATA, lane, self.next[lane], RECORDS, self.window[lane][self.next[lane]][1]):
                    return
                self.next[lane] += 1


class Lines:
    """The file, and how far of it the core has committed; that is kept on disk, so nothing is left out and little told twice."""

    def __init__(self, config, state_dir):
        self.path, self.word = config["file"], config["word"]
        self.kept = os.path.join(state_dir, "position")
        try:
            self.inode, self.at = map(int, open(self.kept).read().split())
        except (OSError, ValueError):
            self.inode, self.at = 0, 0
        self.written = self.at
        self.waiting = []  # (number of the event, where the file stands behind its line)

    def read(self, emit, has_room):
        try:
            file = open(self.path, "rb")
        except OSError:
            return  # not there yet, or being replaced
        with file:
            now = os.fstat(file.fileno())
            if now.st_ino != self.inode or now.st_size < self.at:
                self.inode, self.at, self.written, self.waiting = now.st_ino, 0, -1, []
            file.seek(self.at)
            while has_room():
                line = file.readline(4096)
                if not line.endswith(b"\n") and len(line) < 4096:
                    return  # the rest is still being written
                self.at += len(line)
                text = line.decode("utf-8", "replace").strip()
                if text.startswith(self.word):
                    self.waiting.append((emit(finding(self.path, text)), self.at))

    def keep(self, committed):
        upto = self.at if not self.waiting else self.written
        while self.waiting and self.waiting[0][0] <= committed:
            upto = self.waiting.pop(0)[1]
        if upto != self.written and self.inode:
            with open(self.kept + ".new", "w") as file:
                file.write(f"{self.inode} {upto}\n")
                file.flush()
                os.fsync(file.fileno())
            os.rename(self.kept + ".new", self.kept)
            self.written = upto


def finding(path, text):
    who = re.search(r"\buser=([^\s,;]{1,64})", text)
    return {**({"user.name": who.group(1)} if who else {}),
            "mamori.rule": "org.example.linewatch.line", "finding_info.title": text[:200], "message": text[:1000], "file.path": path,
            "mamori.kind": "finding", "class_uid": 2004, "activity_id": 1, "time": time.time_ns(), "severity_id": 4,
            "mamori.phase": "foothold.process", "mamori.potential": "high", "mamori.direction": "local", "device.hostname": socket.gethostname()}


def main():
    tether = Tether()
    with os.fdopen(ASSIGNMENT, "rb") as file:
        unpacker = msgpack.Unpacker(file)
        told, config = next(unpacker), next(unpacker)
    if told["plugin"] != json.loads(DESCRIPTION.split(">", 1)[1].rsplit("<", 1)[0])["id"]:
        tether.refuse(f"assigned as {told['plugin']}")
    if not config["file"].startswith("/"):
        tether.refuse(f"file: '{config['file']}' must be an absolute path")
    bus, lines = Bus(told["endpoint"], told["secret"]), Lines(config, told["state_dir"])
    tether.ready()
    looked = 0.0
    poller = zmq.Poller()
    poller.register(bus.socket, zmq.POLLIN)
    poller.register(TETHER, zmq.POLLIN)
    while not tether.is_told_to_end():
        if time.monotonic() - looked >= config["look"] / 1000:
            looked = time.monotonic()
            lines.read(bus.emit, bus.has_room)
        bus.work()
        lines.keep(bus.committed())
        tether.emitted = bus.number
        tether.beat()
        poller.poll(min(config["look"], 200))
    if bus.is_up:
        bus.send(BYE)
        bus.socket.close()


main()
