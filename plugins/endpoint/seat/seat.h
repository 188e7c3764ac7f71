/* seat.h - the listener's insides, shared by seat.c, intake.c and conn.c only. */
#ifndef MMR_SEAT_SEAT_H
#define MMR_SEAT_SEAT_H

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "senders.h"
#include "stream.h"
#include "tls.h"

enum { MMR_SEAT_LISTENERS_MAX = 16, MMR_SEAT_TICK_MS = 1000 };

struct mmr_seat_config {
    struct mmr_strv listen, senders;
    const char *keys, *cert, *key, *ca;
    int64_t silent_after, max_connections, max_memory;
};
struct mmr_seat_conn;
struct mmr_seat_listener {
    char text[96]; /* as configured */
    const struct mmr_seat_proto *proto; /* NULL: datagrams */
    bool is_tls;
    int fd;
    uint16_t port;
};
struct mmr_seat_counts {
    uint64_t lines, events, refused, left_out, unknown, lost;
};
struct mmr_seat {
    const struct mmr_host *host;
    const struct mmr_seat_config *config;
    struct mmr_senders *senders;
    struct mmr_tls *tls;
    struct mmr_seat_listener listener[MMR_SEAT_LISTENERS_MAX];
    uint32_t n_listeners, n_conns, conns_cap;
    struct mmr_seat_conn **conn; /* conns_cap places; NULL: free */
    uint64_t emitted, committed;
    uint8_t *wait; /* events the bus did not take yet, each behind its length */
    size_t wait_len, wait_cap;
    uint64_t waiting; /* how many */
    bool is_full, is_running;
    int64_t told_unknown_ns, started_ns;
    uint32_t ticks;
    struct mmr_seat_counts counts;
    struct mmr_event_view view;
    uint8_t buf[4096];
};

/* intake.c: lines become events; who may say what; what was heard of whom. */
void mmr_seat_line(struct mmr_seat *t, struct mmr_sender *x, char *text, size_t len, int64_t time_ns);
void mmr_seat_retry(struct mmr_seat *t); /* the bus has room again */
void mmr_seat_left_out(struct mmr_seat *t, struct mmr_sender *x, const char *why);
void mmr_seat_heartbeat(struct mmr_seat *t); /* each second */
__attribute__((format(printf, 3, 4))) void mmr_seat_log(struct mmr_seat *t, int level, const char *fmt, ...);

/* conn.c */
int mmr_seat_listen(struct mmr_seat *t, const char *text, struct mmr_error *err);
void mmr_seat_close_all(struct mmr_seat *t);
void mmr_seat_on_fd(struct mmr_seat *t, uint64_t cookie, unsigned rw);
void mmr_seat_pump_all(struct mmr_seat *t);      /* go on after the bus was full */
void mmr_seat_committed(struct mmr_seat *t);     /* acknowledge what may be */
void mmr_seat_resolve(struct mmr_seat *t, struct mmr_sender *x); /* units that waited for an open event */
void mmr_seat_conns_tick(struct mmr_seat *t);

#endif
