"""program_kinds.py - the example in Python (examples/sensor-python) as a plugin of other roles: what the tests of programs run."""
import os
import subprocess
import sys

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "sensor-python", "linewatch.py")


def needs_modules():
    p = subprocess.run(["/usr/bin/python3", "-I", "-c", "import zmq, msgpack"], capture_output=True, text=True)
    if p.returncode != 0:
        print("[  SKIPPED ] needs_python3_zmq_and_python3_msgpack\n" + p.stderr[-300:])
        sys.exit(77)


FORWARDER = '''
def take_record(told, body):
    unpacker = msgpack.Unpacker()
    unpacker.feed(body)
    for who, kind, number, data in unpacker:
        if kind == 4:
            with open(os.path.join(told["state_dir"], "records"), "ab") as file:
                file.write(data + b"\\n")
            told["bus"].number += 1
            told["bus"].last[FINDINGS] += 1
            told["bus"].window[FINDINGS][told["bus"].last[FINDINGS]] = (told["bus"].number, msgpack.packb(
                [0, 5, number, struct.pack("<iq", 4, time.time_ns()) + b"kept"]))


main()
'''


RESPONDER = '''
def take_record(told, body):
    unpacker = msgpack.Unpacker()
    unpacker.feed(body)
    for who, kind, number, data in unpacker:
        if kind == 3:
            flags, lease, length = struct.unpack_from("<iqB", data)
            with open(os.path.join(told["state_dir"], "orders"), "a") as file:
                print(flags, data[13:13 + length].decode(), json.dumps(msgpack.unpackb(data[13 + length:]), default=str), file=file)
            is_dry = bool(flags & 2)
            result = {"result": "applied", "dry_run": is_dry, "verify.result": "none" if is_dry else "confirmed", "verify.method": "readback",
                      "verify.at": time.time_ns(), "detail": "kept in a list"}
            told["bus"].number += 1
            told["bus"].last[URGENT] += 1
            told["bus"].window[URGENT][told["bus"].last[URGENT]] = (told["bus"].number, msgpack.packb(
                [0, 2, number, struct.pack("<i", 0) + msgpack.packb(result)]))


main()
'''


def _with_records(text, role, more):
    """The example, that hands what the core sends it to take_record() of `more`, and reads no lines."""
    return (text.replace('"roles": ["sensor"]', role).replace('"detects": ["host"], ', "").replace('"events": ["finding"]', '"events": []')
            .replace("        # PONG: being heard", "        elif kind in (CMD, DATA):\n            take_record(self.told, body)\n        # PONG: being heard")
            .replace("    tether.ready()\n", '    bus.told, told["bus"] = told, bus\n    tether.ready()\n')
            .replace("            lines.read(bus.emit, bus.has_room)\n", "            pass\n").replace("\n\nmain()\n", more))


def forwarder(text):
    """It keeps the records it is handed, and says so."""
    return _with_records(text, '"roles": ["forwarder"]', FORWARDER).replace("org.example.linewatch", "org.example.keeper")


def responder(text):
    """It writes down the orders it gets, and says that they are done."""
    return _with_records(text, '"roles": ["responder"], "actions": ["block.addr"]', RESPONDER).replace("org.example.linewatch", "org.example.blocker")


ANALYZER = '''
def take_record(told, body):
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(body)
    for who, kind, number, data in unpacker:
        if kind == EVENT:
            with open(os.path.join(told["state_dir"], "events"), "a") as file:
                print(json.dumps(msgpack.unpackb(data), default=str), file=file)


main()
'''


def analyzer(kinds):
    """It writes down the events of these kinds."""
    role = f'"roles": ["analyzer"], "subscribes": {list(kinds)!r}'.replace("'", '"')
    return lambda text: _with_records(text, role, ANALYZER).replace("org.example.linewatch", "org.example.listener")
