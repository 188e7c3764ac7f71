/*
 * channel.h - the control channel between the supervisor and a child: an inherited SOCK_SEQPACKET socket.
 * A message is a type, a flat map (mamori/event.h), raw bytes behind it, and at most one descriptor. Both
 * ends are the same executable; still everything received is bounded and checked. Everything is [loop].
 */
#ifndef MMR_PLUGIN_CHANNEL_H
#define MMR_PLUGIN_CHANNEL_H

#include <mamori/event.h>

#include <stdint.h>

struct event_base;
struct mmr_channel;

enum {
    MMR_CHANNEL_FD = 3,                   /* where a child finds it */
    MMR_CHANNEL_PAGE_FD = 4,              /* and the page that says what it is doing (struct mmr_trace) */
    MMR_CHANNEL_MESSAGE_MAX = 192 * 1024,
    MMR_CHANNEL_QUEUE_MAX = 256,          /* messages waiting to be sent */
};
enum mmr_channel_type {
    /* supervisor -> child */
    MMR_MSG_ASSIGN = 1, MMR_MSG_INSTANCE = 2, MMR_MSG_GO = 3, MMR_MSG_PREPARE = 4, MMR_MSG_COMMIT = 5,
    MMR_MSG_ABORT = 6, MMR_MSG_STOP = 7,
    /* child -> supervisor */
    MMR_MSG_INFO = 32, MMR_MSG_READY = 33, MMR_MSG_BEAT = 34, MMR_MSG_REFUSED = 35, MMR_MSG_PREPARED = 36,
    MMR_MSG_SANDBOX = 37,
    MMR_MSG_OWN = 64, /* this and above: between a role and its owner */
};

struct mmr_message { /* borrowed for the call */
    uint32_t type;
    const struct mmr_event_view *map; /* empty if there was none */
    const void *tail;
    size_t tail_len;
    int *fd; /* *fd is -1 or a descriptor; take it by setting *fd to -1, else it is closed */
};
typedef void (*mmr_message_fn)(void *ctx, const struct mmr_message *m);
/* The other end is gone, or sent nonsense (why is not NULL). Called once, never from inside send. */
typedef void (*mmr_channel_end_fn)(void *ctx, const char *why);

/* fd is taken, also on failure. errors MMR_ENOMEM, MMR_EIO */
int mmr_channel_new(struct event_base *base, int fd, mmr_message_fn on_message, mmr_channel_end_fn on_end, void *ctx,
                    struct mmr_channel **ret_ch, struct mmr_error *err);
void mmr_channel_free(struct mmr_channel *ch); /* accepts NULL; may be called from its callbacks */
/*
 * Send, or queue what the socket does not take now.
 *
 * map  built with mmr_event_begin_map(), not ended yet; NULL: none
 * fd   -1, or a descriptor to pass along (borrowed)
 * errors MMR_ETOOBIG message or queue; MMR_ENOMEM; MMR_EIO the other end is gone; an error of the map
 */
int mmr_channel_send(struct mmr_channel *ch, uint32_t type, struct mmr_event *map, const void *tail,
                     size_t tail_len, int fd);

#endif
