/*
 * lab_wire.c - the cables. internet -- gateway -- switch (a bridge) -- pc1, pc2, printer; the switch copies what
 * passes its gateway port to a mirror port, which ends at the gateway machine's second card, where the hub listens.
 */
#include "demo/lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo/demo.h"

static int ip(struct mmr_lab *lab, const char *machine, const char *lines, struct mmr_error *err)
{
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    return mmr_lab_tool(lab, mmr_lab_machine(lab, machine), argv, lines, err);
}

/* One port of the switch and the card at its other end. */
static int port(struct mmr_lab *lab, const char *machine, const char *card, const char *port_name, bool is_bridged, struct mmr_error *err)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "link add %s type veth peer name %s netns /proc/%d/fd/%d\n"
                   "link set %s %s%s\n",
                   port_name, card, (int)getpid(), mmr_lab_machine(lab, machine)->net, port_name, is_bridged ? "master br0 " : "", "up");
    return ip(lab, "switch", text, err);
}

static int address(struct mmr_lab *lab, const char *machine, struct mmr_error *err)
{
    char text[512];
    (void)snprintf(text, sizeof text, "link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\nroute add default via " MMR_DEMO_GATEWAY "\n",
                   mmr_lab_machine(lab, machine)->ip);
    return ip(lab, machine, text, err);
}

/* The mirror port: with tc where the kernel has a classifier for it, else with nftables at the device. */
static int mirror(struct mmr_lab *lab, struct mmr_error *err)
{
    static const char *const tc[] = {"tc", "-batch", "-", NULL}, *const nft[] = {"nft", "-f", "-", NULL};
    struct mmr_machine *sw = mmr_lab_machine(lab, "switch");
    int r = mmr_lab_tool(lab, sw, tc,
                         "qdisc add dev p-gw clsact\n"
                         "filter add dev p-gw ingress protocol all u32 match u32 0 0 action mirred egress mirror dev p-tap\n"
                         "filter add dev p-gw egress protocol all u32 match u32 0 0 action mirred egress mirror dev p-tap\n",
                         err);
    if (r)
        r = mmr_lab_tool(lab, sw, nft,
                         "add table netdev mirror\n"
                         "add chain netdev mirror in { type filter hook ingress device \"p-gw\" priority 0; }\n"
                         "add chain netdev mirror out { type filter hook egress device \"p-gw\" priority 0; }\n"
                         "add rule netdev mirror in dup to \"p-tap\"\n"
                         "add rule netdev mirror out dup to \"p-tap\"\n",
                         err);
    return r;
}

int mmr_lab_wire(struct mmr_lab *lab, struct mmr_error *err)
{
    char text[512];
    int r = ip(lab, "switch", "link set lo up\nlink add br0 type bridge\nlink set br0 up\n", err);
    if (!r)
        r = port(lab, "gateway", "lan0", "p-gw", true, err);
    if (!r)
        r = port(lab, "gateway", "tap0", "p-tap", false, err);
    if (!r)
        r = port(lab, "pc1", "eth0", "p-pc1", true, err);
    if (!r)
        r = port(lab, "pc2", "eth0", "p-pc2", true, err);
    if (!r)
        r = port(lab, "printer", "eth0", "p-prn", true, err);
    (void)snprintf(text, sizeof text, "link set lo up\nlink add wan0 type veth peer name wan0 netns /proc/%d/fd/%d\n"
                   "addr add 192.0.2.1/30 dev wan0\naddr add " MMR_DEMO_ATTACKER "/32 dev wan0\naddr add " MMR_DEMO_C2 "/32 dev wan0\naddr add " MMR_DEMO_GUESSER "/32 dev wan0\n"
                   "link set wan0 up\nroute add 192.168.77.0/24 via 192.0.2.2\n",
                   (int)getpid(), mmr_lab_machine(lab, "gateway")->net);
    if (!r)
        r = ip(lab, "internet", text, err);
    if (!r)
        r = ip(lab, "gateway", "link set lo up\naddr add 192.0.2.2/30 dev wan0\nlink set wan0 up\naddr add " MMR_DEMO_GATEWAY "/24 dev lan0\n"
               "link set lan0 up\nlink set tap0 arp off up\nroute add default via 192.0.2.1\n", err);
    static const char *const forward[] = {"sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward", NULL};
    if (!r)
        r = mmr_lab_tool(lab, mmr_lab_machine(lab, "gateway"), forward, NULL, err);
    static const char *const inside[] = {"pc1", "pc2", "printer"};
    for (size_t i = 0; i < 3 && !r; i++)
        r = address(lab, inside[i], err);
    if (r)
        return r;
    struct mmr_error why = {.struct_size = sizeof why};
    lab->is_mirrored = mirror(lab, &why) == 0;
    return 0;
}
