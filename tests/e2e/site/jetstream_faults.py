#!/usr/bin/env python3
"""jetstream_faults.py MAMORI PLUGINS TEST_PLUGINS - two offices count incidents aloud to collectors that keep nothing, two of them side by side, before
a cluster of three JetStream servers. While they count, a server is killed and comes back, the one that leads the stream too, outlet programs and
collectors are killed, and one collector goes for good, so that its offices move. In the end each incident state stands in the stream:
none lost, none twice by its id, in each lane in the order in which the office told it."""
import json
import os
import random
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jetstream_lab import Cluster, Collector, desk, is_there, order_faults, settled
from site_lab import Site, case, play, until, usable

KILLS = int(os.environ.get("MMR_KILLS", "20"))
LAST, GRAVE = int(os.environ.get("MMR_LAST", "2200")), 5


def counted(messages, hub):
    return {t for m in messages if m["subject"].endswith(".incident") and m["headers"]["Mamori-Site"] == f"acme.{hub}" and isinstance(m["json"], dict)
            for t in re.findall(r"counted (\w+-\d+)!", m["json"].get("message", ""))}


def run(site, so):
    hubs = [site.machine(n) for n in ("hub1", "hub2")]
    front, c1, c2 = (site.machine(n) for n in ("desk", "c1", "c2"))
    for m in (*hubs, front, c1, c2):
        site.connect(m)
    cluster = Cluster(site, ("n1", "n2", "n3"))
    collectors = []
    try:
        cluster.start()
        case("the_cluster_comes_up", until(cluster.is_up, 60), [s.m.log()[-800:] for s in cluster.servers])
        for i, h in enumerate(hubs):
            mine, other = (c1, c2) if i == 0 else (c2, c1)
            h.configure({"deployment": "none", "supervise": {"restart_delay": "50ms", "quarantine_after": 1000}, "trust": {"require": "any"},
                         "plugins": {"counter": {"plugin": "org.example.counter", "file": os.path.join(so, "counter.so"), "side": "endpoint", "host": "counter",
                                                 "config": {"name": h.name, "every": "80ms", "last": LAST, "grave_every": GRAVE}}}})
        key, sites = desk(front, [("acme", h) for h in hubs])
        if not case("the_offices_join_once", key, sites):
            return
        for i, h in enumerate(hubs): # from now on to the collectors that keep nothing, the first of which differs
            mine, other = (c1, c2) if i == 0 else (c2, c1)
            with open(os.path.join(h.site, "90-moved.yaml"), "w") as f:
                json.dump({"upstream": {"collector": f"tcp://{mine.address}:7500", "also": [f"tcp://{other.address}:7500"]}}, f)
        collectors = [Collector(m, key, sites, cluster, engine_dedup="1h") for m in (c1, c2)]
        flow(hubs, cluster, collectors)
    finally:
        for c in collectors:
            c.end()
        cluster.end()


def random_kills(hubs, cluster, collectors):
    """Each collector's process, each outlet program, and the servers (one at a time), at random moments while records flow."""
    seed = int(os.environ.get("MMR_SEED", "0")) or random.randrange(1, 1 << 30)
    rng, n = random.Random(seed), {"collector": 0, "outlet": 0, "server": 0}
    print(f"seed {seed}", flush=True)
    until(lambda: all(c.outlet() for c in collectors), 30)
    down = None
    for k in range(2 * KILLS):
        time.sleep(rng.uniform(0.1, 1.2))
        c = rng.choice(collectors)
        if k % 2 == 0:
            c.kill()
            time.sleep(rng.uniform(0, 0.3))
            c.start()
            n["collector"] += 1
        else:
            pid = until(c.outlet, 30)
            if pid:
                os.kill(pid, 9)
                n["outlet"] += 1
        if k % 10 == 3:
            down = rng.choice(cluster.servers)
            down.kill()
            n["server"] += 1
        if k % 10 == 8 and down:
            cluster.start(down)
            down = None
            until(cluster.is_up, 60)
    print(f"killed: {n}", flush=True)
    case("each_was_killed_often", n["collector"] == KILLS and n["outlet"] == KILLS and n["server"] == KILLS // 5, n)


def flow(hubs, cluster, collectors):
    one, two = collectors
    for c in collectors:
        c.start()
    case("two_collectors_run_side_by_side", until(lambda: all("outlet.ready" in c.log() for c in collectors), 90), one.log() + two.log())
    info = cluster.stream()
    case("the_stream_is_made_with_three_servers", info and info["config"]["num_replicas"] == 3 and info["config"]["storage"] == "file", info)
    case("what_is_not_safe_is_said", "nats.unsafe" in one.log() and "server version" in one.log() and "sync_interval" in one.log(), one.log())
    for h in hubs:
        h.start()
    case("incidents_arrive", until(lambda: all(len(counted(cluster.messages(), h.name)) >= 5 for h in hubs), 90), one.log() + two.log() + hubs[0].log())

    # a server that does not lead the stream, then the one that leads; each comes back
    for what in ("follower", "leader"):
        leader = until(cluster.leader, 30)
        server = leader if what == "leader" else next(s for s in cluster.servers if s is not leader)
        server.kill()
        time.sleep(4)
        before = len(counted(cluster.messages(), "hub1"))
        case(f"it_goes_on_without_the_{what}", until(lambda: len(counted(cluster.messages(), "hub1")) > before, 60), one.log()[-3000:])
        cluster.start(server)
        case(f"and_the_{what}_comes_back", until(lambda: cluster.is_up() and all(not p.get("offline") for p in (cluster.stream() or {"cluster": {"replicas": [{"offline": 1}]}})["cluster"]["replicas"]), 90),
             cluster.stream())

    pid = one.outlet()
    case("the_engine_has_a_process_of_its_own", pid, one.log())
    os.kill(pid, 9)
    case("which_is_started_again", until(lambda: (one.outlet() or pid) != pid, 30) and "outlet.ended" in one.log(), one.log())

    # both servers but one: no quorum, nothing is acknowledged, nothing is lost
    down = cluster.servers[:2]
    for s in down:
        s.kill()
    time.sleep(8)
    said = until(lambda: any(w in one.log() + two.log() for w in ("quorum", "has no leader")), 30)
    case("no_quorum_is_named", said, one.log()[-2000:])
    for s in down:
        cluster.start(s)
    case("the_cluster_is_back", until(cluster.is_up, 90))

    # killed, and again there with nothing but key and configuration
    one.kill()
    case("it_kept_nothing", one.kept() == ["node.key"], one.kept())
    one.start()
    time.sleep(3)
    random_kills(hubs, cluster, collectors)
    case("the_offices_still_count", all(len(counted(cluster.messages(), h.name)) < LAST for h in hubs), [len(counted(cluster.messages(), h.name)) for h in hubs])
    # gone for good: its office finds the other
    one.kill()
    moved = until(lambda: "site.up site=acme.hub1" in two.log(), 90)
    case("the_office_moves_to_the_other_collector", moved, hubs[0].log()[-2000:] + two.log()[-2000:])

    want = {h.name: {f"{h.name}-{n}" for n in range(1, LAST + 1)} for h in hubs}
    last, arrived = settled(cluster, lambda ms: all(counted(ms, h) >= want[h] for h in want), 300)
    lost = {h: sorted(want[h] - counted(last, h))[:20] for h in want}
    case("lost_0", arrived, (lost, two.log()[-3000:], hubs[0].log()[-1500:]))
    # what the offices still send of states (an incident that closes) has come to an end
    until(lambda: all(((h.status()["brain"] or {}).get("outbox") or {}).get("@upstream", 1) == 0 for h in hubs), 120)
    time.sleep(2)
    last = cluster.messages()
    ids = [m["headers"]["Nats-Msg-Id"] for m in last]
    states = [json.dumps(m["json"], sort_keys=True) for m in last if not m["subject"].endswith(".presence")]
    print(f"in the stream: {len(last)} messages, {len(set(ids))} ids; lost {sum(len(v) for v in lost.values())}, doubled by id {len(ids) - len(set(ids))}, "
          f"doubled by content {len(states) - len(set(states))}, out of order {len(order_faults(last))}", flush=True)
    case("doubled_0_by_id", len(ids) == len(set(ids)), len(ids) - len(set(ids)))
    case("and_by_content", len(states) == len(set(states)), len(states) - len(set(states)))
    case("in_order_in_each_lane", not order_faults(last), order_faults(last)[:10])
    case("each_office_is_named_by_its_key", all(m["json"]["metadata"]["tenant_uid"] == m["headers"]["Mamori-Site"] for m in last if m["subject"].endswith(".incident")))
    case("who_is_there_is_told", any(m["subject"] == "mamori.v1.acme.hub2.other.presence" and m["json"]["state"] == "up" for m in last), [m["subject"] for m in last][-20:])
    case("the_offices_were_told_that_all_is_received", all(((h.status()["brain"] or {}).get("outbox") or {}).get("@upstream") == 0 for h in hubs),
         [(h.status()["brain"] or {}).get("outbox") for h in hubs])
    case("no_process_of_theirs_ended_by_itself", all("Sanitizer" not in c.log() and "outlet.program_ends" not in c.log() for c in collectors),
         [l for c in collectors for l in c.log().splitlines() if "Sanitizer" in l or "program_ends" in l][:5])
    case("the_other_ends_cleanly", two.end() == 0, two.log()[-1500:])


def main():
    if not is_there() or not usable(sys.argv[2]):
        return 77
    return play("jetstream", lambda root: Site(root, sys.argv[1], sys.argv[2], "10.85.0"), lambda site: run(site, sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
