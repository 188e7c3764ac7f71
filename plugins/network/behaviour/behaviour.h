/*
 * behaviour.h - findings by statistics and by what hosts do to each other. Each idea is one file; it
 * gets events, packets, chunks or ended flows and calls beh_find(). Everything remembered sits in a
 * map with a ceiling, the oldest entry gives way.
 */
#ifndef MMR_BEHAVIOUR_H
#define MMR_BEHAVIOUR_H

#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

#include "memory.h"

#define SECOND INT64_C(1000000000)

struct beh_config {
    struct mmr_strv domain_controllers, dns_encoded_ok;
    int64_t scan_ports, scan_hosts, scan_slow, guesses, sessions, beacon_polls, repeat, nameless, exfil_floor, exfil_history;
};
struct beh_rule { /* what is found; phase NULL: a hint */
    const char *id, *title, *phase, *potential;
    uint32_t severity;
    const char *attack[4];
};
struct beh_where { /* the conversation a finding is about */
    int64_t time_ns;
    struct mmr_addr src, dst;
    uint16_t src_port, dst_port;
    uint8_t zones; /* MMR_FLOW_*_INSIDE */
    const char *proto;
    char uid[24];
    char input[128];
    char src_mac[18]; /* its card, where that is who does it; "": not said */
    int64_t index;
    uint32_t count; /* occurrences the finding stands for; 0: one */
    const struct mmr_event_view *event; /* fields worth copying, or NULL */
};
/* Is the window that began at since_ns over? So it is too when the clock was set back behind it: what was counted then would stay for ever. */
static inline bool beh_is_over(int64_t now_ns, int64_t since_ns, int64_t window_s)
{
    return now_ns - since_ns > window_s * SECOND || since_ns - now_ns > 60 * SECOND;
}

struct beh_event {
    struct mmr_event_view view;
    struct beh_where where;
    char kind[24];
};
struct beh {
    const struct mmr_host *host;
    const struct beh_config *cfg;
    bool is_replay;
    struct memory told;                             /* rule and pair -> when */
    struct memory scan_port, scan_host, scan_slow;  /* scan.c */
    struct memory guess, web;                       /* guess.c */
    struct memory poll;                             /* beacon.c */
    struct memory dns, icmp;                        /* tunnel.c */
    struct memory asked;                            /* callback.c */
    struct memory rpc, roles;                       /* lateral.c */
    struct memory claims;                           /* spoof.c */
    struct memory named, nameless;                  /* names.c */
    struct memory failed;                           /* generated.c: names a client asked for that do not exist */
    struct memory sent;                             /* exfil.c */
    struct memory leases;                           /* starve.c */
    struct memory looked;                           /* directory.c */
    struct beh_event ev;
    uint8_t out[16384];
};

/* Emit a finding unless the same rule was told about this pair within cfg->repeat. */
void beh_find(struct beh *b, const struct beh_rule *r, const struct beh_where *w, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void beh_where_flow(struct beh_where *w, const struct mmr_flow *f, const struct mmr_packet *p);
/* Text field of the event, cut into buf; "" if absent. Returns buf. */
const char *beh_text(const struct beh_event *e, const char *key, char *buf, size_t cap);
bool beh_is(const struct beh_event *e, const char *key, const char *text);
int64_t beh_int(const struct beh_event *e, const char *key, int64_t dflt);
bool beh_flag(const struct beh_event *e, const char *key);

void scan_packet(struct beh *b, const struct mmr_packet *p);
void guess_event(struct beh *b, const struct beh_event *e);
enum guess_service { SVC_SSH = 1, SVC_SMB, SVC_RDP, SVC_FTP, SVC_HTTP, SVC_KERBEROS, SVC_VNC, SVC_TELNET, SVC_MYSQL, SVC_POSTGRESQL, SVC_MSSQL,
                     SVC_LDAP, SVC_MAIL, SVC_REDIS, SVC_MONGODB, SVC_MQTT, SVC_SNMP };
/* A log-in that failed. limit: of failures that are guessing; each_name: repeated tries of one name count once (a misconfigured machine asks for ever). */
void guess_failure(struct beh *b, const struct beh_where *w, enum guess_service svc, const char *user, uint32_t limit, bool each_name);
void logins_chunk(struct beh *b, const struct mmr_chunk *c);
void directory_event(struct beh *b, const struct beh_event *e);
void starve_chunk(struct beh *b, const struct mmr_chunk *c);
void beacon_event(struct beh *b, const struct beh_event *e);
void tunnel_event(struct beh *b, const struct beh_event *e);
void tunnel_packet(struct beh *b, const struct mmr_packet *p);
void callback_event(struct beh *b, const struct beh_event *e);
void content_event(struct beh *b, const struct beh_event *e);
void content_chunk(struct beh *b, const struct mmr_chunk *c);
void callback_chunk(struct beh *b, const struct mmr_chunk *c);
void spoof_event(struct beh *b, const struct beh_event *e);
void lateral_event(struct beh *b, const struct beh_event *e);
void generated_event(struct beh *b, const struct beh_event *e);
void names_event(struct beh *b, const struct beh_event *e);
bool names_has(struct beh *b, const struct mmr_addr *a); /* somebody in the office named this address */
void exfil_packet(struct beh *b, const struct mmr_packet *p);
void exfil_event(struct beh *b, const struct beh_event *e);
void cleartext_event(struct beh *b, const struct beh_event *e);
void cleartext_chunk(struct beh *b, const struct mmr_chunk *c);
bool lateral_is_controller(struct beh *b, const struct mmr_addr *a);
bool lateral_is_machines_service(const char *service); /* of Kerberos: its password is a machine's, long and random */
/* what each check's maps hold, in bytes */
extern const uint32_t scan_bytes, guess_bytes, beacon_bytes, dns_bytes, icmp_bytes, callback_bytes, lateral_bytes, spoof_bytes,
    nameless_bytes, sent_bytes, generated_bytes, starve_bytes, directory_bytes;

#endif
