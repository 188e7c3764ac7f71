/*
 * senders.h - who may send, how each proves who it is, and for which machines it may speak; and since when
 * each machine has been silent.
 */
#ifndef MMR_SEAT_SENDERS_H
#define MMR_SEAT_SENDERS_H

#include <mamori/plugin.h>

#include <netinet/in.h>

#include "decode.h"

enum {
    MMR_SENDERS_MAX = 256,
    MMR_SENDER_NAMES_MAX = 64, /* machines one sender (a collector) may speak for */
    MMR_SEAT_NAMES_MAX = 512,
    MMR_SENDER_CHUNKS = 256,   /* names of chunks remembered, to know one that is sent again */
};
enum mmr_sender_kind { MMR_SENDER_ADDR = 0, MMR_SENDER_CERT, MMR_SENDER_KEY };
enum mmr_seat_state { MMR_SEAT_UNHEARD = 0, MMR_SEAT_UP, MMR_SEAT_SILENT, MMR_SEAT_OFF };

struct mmr_seat_name { /* one machine */
    char name[64];
    char tool[64];    /* what sends there, as listed in the configuration; "": counts for nothing */
    int64_t heard_ns; /* monotonic; 0: not since we run */
    int64_t heard_wall_ns;
    uint32_t state;
    bool is_going, reserved[3]; /* its last record says that it switches off */
};
struct mmr_sender {
    uint32_t kind, n;
    char id[132]; /* "addr:192.0.2.5", "cert:pc1", "key:pc1" */
    struct in6_addr addr;
    char *key; /* of a key sender; wiped when freed */
    uint16_t name[MMR_SENDER_NAMES_MAX]; /* indices of names */
    struct mmr_logdec *dec; /* made when it first sends */
    uint32_t quiet_ticks, conns;
    uint64_t lines, refused, left_out;
    uint64_t told_hash; /* of the name last refused, and when that was told */
    int64_t told_ns, told_trouble_ns;
    struct {
        uint64_t hash, mark;
    } chunk[MMR_SENDER_CHUNKS];
    uint32_t chunk_at, reserved;
};
struct mmr_senders {
    uint32_t n, n_names;
    struct mmr_sender s[MMR_SENDERS_MAX];
    struct mmr_seat_name name[MMR_SEAT_NAMES_MAX];
};

/*
 * mmr_senders_read - from the configuration's lines "IDENTITY MACHINE… [tool=NAME]".
 *
 * keys_path  file of lines "NAME KEY" for key: senders; NULL or "": there are none
 * ret        returned; free with mmr_senders_free()
 * errors     MMR_ECONFIG naming the line and what was expected; MMR_EPERM the key file is open to others
 */
int mmr_senders_read(const struct mmr_strv *lines, const char *keys_path, struct mmr_senders **ret, struct mmr_error *err);
void mmr_senders_free(struct mmr_senders *s);

struct mmr_sender *mmr_sender_by_addr(struct mmr_senders *s, const struct in6_addr *a);
struct mmr_sender *mmr_sender_by_name(struct mmr_senders *s, enum mmr_sender_kind kind, const char *name);
bool mmr_senders_have(const struct mmr_senders *s, enum mmr_sender_kind kind);
/* The machine of that name if this sender may speak for it, else NULL. A name configured without a dot is a
 * machine's first label, whatever domain it says it is in. */
struct mmr_seat_name *mmr_sender_may(struct mmr_senders *s, const struct mmr_sender *x, const char *host, size_t len);
/* The one machine a sender speaks for; NULL: it speaks for several. */
const char *mmr_sender_only(const struct mmr_senders *s, const struct mmr_sender *x);

#endif
