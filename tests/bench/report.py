#!/usr/bin/env python3
"""report.py FILE - the measurements of one run as a table: figure, floor or peer of the same run, ratio, aim."""
import json
import sys

rows = [json.loads(l) for l in open(sys.argv[1]) if l.startswith("{")]


def label(r):
    return str(r.get("what") or r.get("bench") or r.get("name") or "")


def find(key, part=None):
    """The row of that name, else the first whose name holds it."""
    mine = [r for r in rows if part is None or r["part"] == part]
    return next((r for r in mine if label(r) == key), None) or next((r for r in mine if key in label(r)), None)


def value(r, *keys):
    for k in keys:
        if r and r.get(k) is not None:
            return r[k]
    return None


# figure, its field, floor or peer, its field, aim in words
TABLE = [
    ("mmr_skim", "per_s", "msgpack unpack", "per_s", ""),
    ("mmr_stamp_event", "per_s", "mmr_skim", "per_s", ""),
    ("plugin_load_slowest", "p50_ms", "floor_process", "p50_ms", "< 5 ms beyond the process"),
    ("plugin_hand_over_1", "per_cpu_s", "plugin_topic_1", "per_cpu_s", ">= 2000000/s in a host"),
    ("mmr_local telemetry", "per_s", "zmq ipc DEALER->ROUTER one way, raw", "per_s", ">= 500000/s"),
    ("mmr_local findings", "per_s", "zmq ipc DEALER->ROUTER one way, raw", "per_s", ""),
    ("mmr_local finding -> order", "p50_us", "zmq ipc round trip, raw", "p50_us", ""),
    ("mmr_site finding -> signed order", "p50_us", "zmq tcp CURVE round trip, raw", "p50_us", ""),
    ("durable events a second", "per_s", "durable events a second", "floor_per_s", ">= 0.9 x the floor"),
    ("durable events a second", "per_s_with_disk_spool", "durable events a second", "floor_per_s", ""),
    ("outlet to NATS JetStream, acknowledged, 1 server", "per_s", "floor: libnats, publish async to JetStream, 1 server", "per_s", ""),
    ("outlet to NATS JetStream, acknowledged, 3 servers", "per_s", "floor: libnats, publish async to JetStream, 3 servers", "per_s", ""),
    ("brain.mixed", "events_per_s", "mmr_event_read", "per_s", ">= 200000/s on one core"),
    ("brain.pair", "findings_per_s", "sec pair by contexts", "per_s", ">= 100000/s with 20,000 open"),
    ("findings_from_host_to_commit", "admitted_and_correlated_per_s_of_one_core", "mmr_event_read", "per_s", ">= 200000/s"),
    ("findings_from_host_to_commit", "per_s", "mmr_local findings", "per_s", ">= 200000/s"),
    ("finding_emitted_to_block_proved", "p95_ms", "mmr_local finding -> order", "p95_us", "p95 <= 10 ms"),
    ("endpoint_finding_to_gateway_block_proved_over_curve", "p95_ms", "mmr_site finding -> signed order", "p95_us", ""),
    ("log_line_to_block_mamori", "p95_ms", "log_line_to_block_fail2ban", "p95_ms", "p95 <= 10 ms"),
    ("log: auditd, USER_AUTH", "per_s", None, None, ">= 500000 lines/s on one core"),
    ("log: sysmon-linux, XML", "per_s", None, None, ">= 500000 lines/s on one core"),
    ("log: winevent-json, flat", "per_s", None, None, ">= 500000 lines/s on one core"),
    ("log: winevent-json, Event", "per_s", None, None, ">= 500000 lines/s on one core"),
    ("integrity baseline", "cpu_s", "integrity floor", "cpu_s", ""),
    ("integrity, a walk in which nothing is read", "cpu_s", "integrity floor", "cpu_s", ""),
    ("integrity, nothing changes", "cpu_ms_per_s", None, None, ""),
    ("start_up", "ms", None, None, ""),
    ("idle_agent", "pss_mb", None, None, "<= 20 MB"),
    ("idle_agent", "cpu_percent", None, None, "<= 0.2 %"),
    ("idle_agent", "wakeups_per_s", None, None, ""),
    ("idle_office", "pss_mb", None, None, "<= 60 MB"),
    ("idle_office", "cpu_percent", None, None, "< 0.5 %"),
    ("ndpiReader of the distribution", "ns_per_packet", "libpcap floor", "ns_per_packet", ""),
    ("Hyperscan alone", "ns_per_packet", "libpcap floor", "ns_per_packet", ""),
    ("flow+protocols", "ns_per_packet", "libpcap floor", "ns_per_packet", "<= 5 x the floor"),
    ("flow+protocols+the big rule set", "ns_per_packet", "libpcap floor", "ns_per_packet", "<= 20 x the floor"),
    ("flow+protocols+the big rule set", "load_s", None, None, "<= 2 s"),
    ("flow+protocols+the big rule set", "peak_rss_mb", None, None, "< 100 MB"),
    ("all of them and the big rule set", "ns_per_packet", "libpcap floor", "ns_per_packet", ""),
    ("flow table of 1000000", "ns_per_packet", "flow table of 10000", "ns_per_packet", ""),
    ("flow table of 1000000", "bytes_per_flow", None, None, ""),
    ("100000 open web conversations", "bytes_per_flow", None, None, ""),
    ("no loss at 64 bytes", "per_s", "no loss at 64 bytes", "floor_per_s", ""),
    ("no loss at 64 bytes", "with_rules_per_s", "no loss at 64 bytes", "floor_per_s", ""),
    ("no loss at 1500 bytes", "per_s", "no loss at 1500 bytes", "floor_per_s", ""),
    ("no loss at 1500 bytes", "with_rules_per_s", "no loss at 1500 bytes", "floor_per_s", ""),
    ("rules.reload", "peak_over_before_mib", None, None, "less than the set again"),
]
shown = []
print()
print(f"{'figure':44} {'measured':>14}   {'floor or peer of the same run':40} {'':>12} {'ratio':>8}   aim")
for name, field, floor, floor_field, aim in TABLE:
    r, peer = find(name), find(floor) if floor else None
    v = value(r, field)
    if v is None:
        continue
    f = value(peer, floor_field)
    shown += [r, peer]
    ratio = ""
    if f:
        scale = 1000 if field.endswith("_ms") and floor_field.endswith("_us") else 1
        ratio = f"{v * scale / f:.2f}x"
    print(f"{name + ' ' + field:44.44} {v:>14,}   {floor or '':40.40} {f if f is not None else '':>12} {ratio:>8}   {aim}")
for r in rows:
    if any(r is s for s in shown):
        continue
    name = label(r)
    rest = ", ".join(f"{k} {v:,}" if isinstance(v, (int, float)) and not isinstance(v, bool) else f"{k} {v}"
                     for k, v in r.items() if k not in ("part", "what", "bench", "name"))
    print(f"{r['part'] + ': ' + name:44.44} {rest}")
