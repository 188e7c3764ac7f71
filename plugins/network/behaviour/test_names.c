/*
 * test_names.c - who answers to which name and address: poisoned and made-up names, ARP spoofing.
 */
#include "testworld.h"

static void who_answers_to_every_name_is_told_who_answers_to_his_own_is_not(void **state)
{
    static const struct {
        const char *why, *source, *name[6], *ip[6];
        bool want;
    } rows[] = {
        {"poisoner", "llmnr", {"files", "wpad", "printer", "fileserv"}, {"192.168.1.66", "192.168.1.66", "192.168.1.66", "192.168.1.66"}, true},
        {"one PC, asked often", "nbns", {"PC1", "pc1", "PC1", "pc1.local", "PC1"}, {"192.168.1.5", "192.168.1.5", "192.168.1.5", "192.168.1.5", "192.168.1.5"}, false},
        {"a name service for others", "nbns", {"PC1", "PC2", "PC3", "PC4"}, {"192.168.1.5", "192.168.1.6", "192.168.1.7", "192.168.1.8"}, false},
        {"a printer with many services", "mdns", {"a", "b", "c", "d", "e"}, {"192.168.1.9", "192.168.1.9", "192.168.1.9", "192.168.1.9", "192.168.1.9"}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (size_t k = 0; k < 6 && rows[i].name[k]; k++) {
            struct mmr_event *ev = event(&w, "host.addr", rows[i].ip[k], "192.168.1.20", 5355, "internal");
            mmr_event_str(ev, "device.hostname", rows[i].name[k]);
            mmr_event_str(ev, "device.ip", rows[i].ip[k]);
            mmr_event_str(ev, "unmapped.source", rows[i].source);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.name_poisoning") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void made_up_names_are_told_mistyped_ones_are_not(void **state)
{
    static const char *const odd[] = {"qxvkzjwpfrtb.com", "wjzxqkvbnmpl.net", "kqvxzbtrfjgw.info", "zxcvqwkjhgfp.org", "bvnxmzkqwjrt.co.jp"};
    static const char *const words[] = {"tanakashoten.co.jp", "officesupplies.com", "sakuranetwork.jp", "printerstore.net", "maintenance.org"};
    static const struct {
        const char *why;
        const char *const *base;
        int n, below, rcode;
        bool want;
    } rows[] = {{"a program that lost its server", odd, 24, 0, 3, true}, {"the same, but they exist", odd, 24, 0, 0, false},
                {"too few", odd, 15, 0, 3, false}, {"words nobody registered", words, 40, 0, 3, false}, {"a blocklist's one domain", odd, 60, 1, 3, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        char name[80];
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            const char *base = rows[i].base[k % 5];
            if (rows[i].below)
                (void)snprintf(name, sizeof name, "%d.%s", k, odd[0]);
            else /* different each time, and of the same kind */
                (void)snprintf(name, sizeof name, "%c%c%s", 'a' + k / 5 * 5 % 26, rows[i].base == odd ? 'q' : 'n', base);
            w.now += 2 * MMR_TH_S;
            struct mmr_event *ev = event(&w, "dns.answer", "192.168.1.5", "192.168.1.1", 53, "internal");
            mmr_event_str(ev, "query.hostname", name);
            mmr_event_int(ev, "rcode_id", rows[i].rcode);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.generated_names") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void an_address_that_flaps_between_two_cards_is_spoofed(void **state)
{
    static const struct {
        const char *why;
        int n, gap_s;
        bool want;
    } rows[] = {{"an attacker against the owner", 4, 2, true}, {"a new card", 1, 2, false}, {"a failover a day", 10, 86400, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            static const char *const mac[] = {"02:00:00:00:00:01", "02:00:00:00:00:02"};
            w.now += rows[i].gap_s * MMR_TH_S;
            struct mmr_event *ev = event(&w, "arp.claim", "192.168.1.1", "", 0, "internal");
            mmr_event_str(ev, "device.mac", mac[k & 1]);
            mmr_event_str(ev, "unmapped.previous_mac", mac[!(k & 1)]);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.arp_spoofing") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void claim(struct world *w, const char *addr, const char *mac, const char *before)
{
    struct mmr_event *ev = event(w, "arp.claim", addr, "", 0, "internal");
    w->now += 2 * MMR_TH_S;
    mmr_event_str(ev, "device.mac", mac);
    mmr_event_str(ev, "unmapped.previous_mac", before);
    send_event(w);
}

/* Who it is done to is never the one that is named: he would be cut off for it. */
static void a_spoofer_is_named_by_his_card_where_it_is_clear_who_he_is(void **state)
{
    static const char owner[] = "02:00:00:00:00:01", other[] = "02:00:00:00:00:02", at[] = "192.168.1.1";
    static const struct {
        const char *why, *owners_other, *others_own, *want_mac, *want_src;
    } rows[] = {
        {"a machine of the office", NULL, "192.168.1.7", other, "192.168.1.7"},
        {"a card without an address of its own", NULL, NULL, other, ""},
        {"a router with two addresses against a machine with one", "192.168.1.2", "192.168.1.7", other, "192.168.1.7"},
        {"the first has another address and the second has none: perhaps it was the spoofer that was seen first", "192.168.1.2", NULL, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        claim(&w, at, owner, NULL);
        if (rows[i].owners_other)
            claim(&w, rows[i].owners_other, owner, NULL);
        if (rows[i].others_own)
            claim(&w, rows[i].others_own, other, NULL);
        for (int k = 0; k < 4; k++)
            claim(&w, at, k & 1 ? owner : other, k & 1 ? other : owner);
        const int got = found(&w, "mamori.behaviour.arp_spoofing");
        if (got < 0)
            fail_msg("%s: not found", rows[i].why);
        const char *mac = mmr_testhost_text(w.th, got, "src_endpoint.mac"), *src = mmr_testhost_text(w.th, got, "src_endpoint.ip");
        if (strcmp(mac ? mac : "", rows[i].want_mac) != 0 || strcmp(rows[i].want_src[0] ? rows[i].want_src : "::", src) != 0)
            fail_msg("%s: named %s, %s", rows[i].why, mac, src);
        assert_string_equal(mmr_testhost_text(w.th, got, "dst_endpoint.ip"), at);
        done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_answers_to_every_name_is_told_who_answers_to_his_own_is_not),
        cmocka_unit_test(made_up_names_are_told_mistyped_ones_are_not),
        cmocka_unit_test(an_address_that_flaps_between_two_cards_is_spoofed),
        cmocka_unit_test(a_spoofer_is_named_by_his_card_where_it_is_clear_who_he_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
