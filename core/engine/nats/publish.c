/*
 * publish.c - records on their way. Of one lane of one site only the first is under way at a time: the next is published once the
 * servers have it, so that neither a lost message nor a change of leaders can turn their order round. Lanes go side by side.
 *
 * Each message has the record's id (Nats-Msg-Id), by which the stream drops what it has already; so whatever is not acknowledged is
 * sent again, with the same id, for as long as it takes. What the servers say is parsed here, in the library's thread.
 */
#include "engine/nats/nats.h"
#include "engine/nats_answer.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"
#include "util/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEARD_MAX = 4 * MMR_ENGINE_WINDOW, ANSWER_MS = 5000, RETRY_MS = 250, RETRY_MAX_MS = 5000, SCAN_MS = 200, TELL_MS = 5000 };
struct mmr_nats_reply {
    uint32_t slot, part;
    uint64_t gen;
    struct mmr_nats_answer a;
};
struct mmr_nats_lane {
    char key[80]; /* lane and site */
    struct mmr_nats_record *head, *tail;
    UT_hash_handle hh;
};
struct mmr_nats_record {
    struct mmr_nats_record *next, *send_next; /* in its lane; of what is to be sent */
    struct mmr_nats_lane *lane;
    uint64_t seq, number, gen;
    uint32_t slot, part, parts, tries;
    bool is_urgent, is_listed;
    int64_t sent_ns, retry_ns; /* 0: not under way; not waiting */
    uint8_t id[16];
    char *subject, *site, *json;
    size_t len, part_max;
};

int mmr_nats_publish_open(struct mmr_nats *x, struct mmr_error *err)
{
    x->n_free = MMR_ENGINE_WINDOW;
    for (uint32_t i = 0; i < MMR_ENGINE_WINDOW; i++)
        x->free_slot[i] = MMR_ENGINE_WINDOW - 1 - i;
    x->send_end[0] = &x->send_head[0];
    x->send_end[1] = &x->send_head[1];
    x->heard = calloc(HEARD_MAX, sizeof *x->heard);
    x->heard_before = calloc(HEARD_MAX, sizeof *x->heard);
    return x->heard && x->heard_before ? 0 : mmr_fail(err, MMR_ENOMEM, "out of memory");
}

/* ---- taking ---- */

static void list(struct mmr_nats *x, struct mmr_nats_record *r)
{
    const int which = r->is_urgent ? 0 : 1;
    if (r->is_listed)
        return;
    r->is_listed = true;
    r->send_next = NULL;
    *x->send_end[which] = r;
    x->send_end[which] = &r->send_next;
}

/* <prefix>.<tenant>.<site>.<lane>.<kind>; the first dot of the name parts tenant and site. A name has letters, digits, '-', '_', '.' only. */
static char *subject_of(const struct mmr_nats *x, const struct mmr_engine_record *r)
{
    char name[80];
    char *text = NULL;
    (void)snprintf(name, sizeof name, "%s", r->site);
    char *dot = strchr(name, '.');
    if (dot)
        *dot = '\0';
    for (char *p = dot ? dot + 1 : name + strlen(name); *p; p++)
        if (*p == '.')
            *p = '_';
    if (asprintf(&text, "%s.%s.%s.%s.%s", x->subject, dot && *name ? name : "-", dot ? (dot[1] ? dot + 1 : "-") : *name ? name : "-",
                 r->is_urgent ? "urgent" : "other", *r->kind ? r->kind : "-") < 0)
        return NULL;
    return text;
}

static void free_record(struct mmr_nats_record *r)
{
    free(r->subject);
    free(r->site);
    free(r->json);
    free(r);
}

static struct mmr_nats_lane *lane_of(struct mmr_nats *x, const struct mmr_engine_record *r)
{
    struct mmr_nats_lane *l = NULL;
    char key[sizeof l->key];
    (void)snprintf(key, sizeof key, "%c%s", r->is_urgent ? 'u' : 'o', r->site);
    HASH_FIND_STR(x->lanes, key, l);
    if (!l && (l = calloc(1, sizeof *l))) {
        memcpy(l->key, key, sizeof key);
        HASH_ADD_STR(x->lanes, key, l);
    }
    return l;
}

void mmr_nats_take(struct mmr_nats *x, const struct mmr_engine_record *r)
{
    struct mmr_nats_record *q = calloc(1, sizeof *q);
    struct mmr_nats_lane *l = q ? lane_of(x, r) : NULL;
    if (!l || !x->n_free || !(q->subject = subject_of(x, r)) || !(q->site = strdup(r->site)) || !(q->json = malloc(r->len ? r->len : 1))) {
        mmr_log(MMR_LOG_ERR, "nats.no_room", "free=%u what=\"ends; what was not told done comes again\"", x->n_free);
        _exit(3);
    }
    memcpy(q->json, r->json, r->len);
    memcpy(q->id, r->id, sizeof q->id);
    q->len = r->len;
    q->seq = r->seq;
    q->number = r->number;
    q->is_urgent = r->is_urgent;
    q->lane = l;
    q->gen = ++x->gen;
    q->slot = x->free_slot[--x->n_free];
    x->slot[q->slot] = q;
    if (l->tail) {
        l->tail->next = q;
        l->tail = q;
        return;
    }
    l->head = l->tail = q;
    list(x, q);
}

/* The stream has it: it is told, and its lane goes on. */
static void finish(struct mmr_nats *x, struct mmr_nats_record *r)
{
    struct mmr_nats_lane *l = r->lane;
    mmr_engine_done(x->host, r->seq);
    x->slot[r->slot] = NULL;
    x->free_slot[x->n_free++] = r->slot;
    l->head = r->next;
    if (l->head) {
        list(x, l->head);
    } else {
        HASH_DEL(x->lanes, l);
        free(l);
    }
    free_record(r);
}

/* ---- sending ---- */

static natsStatus publish_one(struct mmr_nats *x, struct mmr_nats_record *r)
{
    natsMsg *m = NULL;
    char reply[160], id[MMR_UUID_TEXT_MAX + 32], number[24], part[24];
    if (r->part == 0) { /* as large as the stream takes now */
        r->part_max = x->part_max;
        r->parts = (uint32_t)(r->len / r->part_max) + (r->len % r->part_max != 0 || r->len == 0);
    }
    const size_t at = (size_t)r->part * r->part_max, len = r->len - at < r->part_max ? r->len - at : r->part_max;
    mmr_uuid_format(r->id, id);
    (void)snprintf(part, sizeof part, "%u/%u", r->part + 1, r->parts);
    if (r->parts > 1)
        (void)snprintf(id + strlen(id), sizeof part + 1, ".%s", part);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    (void)snprintf(reply, sizeof reply, "%s.%u.%llu.%u", x->inbox, r->slot, (unsigned long long)r->gen, r->part);
    natsStatus s = natsMsg_Create(&m, r->subject, reply, r->json + at, (int)len);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Nats-Msg-Id", id);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Nats-Expected-Stream", x->stream);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Mamori-Site", r->site);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(m, "Mamori-Number", number);
    if (s == NATS_OK && r->parts > 1)
        s = natsMsgHeader_Set(m, "Mamori-Part", part);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(x->nc, m);
    natsMsg_Destroy(m);
    return s;
}

static void send_listed(struct mmr_nats *x, int64_t now_ns)
{
    for (int which = 0; which < 2; which++)
        while (x->send_head[which]) {
            struct mmr_nats_record *r = x->send_head[which];
            natsStatus s = publish_one(x, r);
            if (s != NATS_OK) {
                if (s != NATS_CONNECTION_CLOSED && s != NATS_CONNECTION_DISCONNECTED && s != NATS_INSUFFICIENT_BUFFER)
                    mmr_log(MMR_LOG_WARN, "nats.not_sent", "site=%s bytes=%zu reason=\"%s\"", r->site, r->len, natsStatus_GetText(s));
                return; /* it stays the first of the list */
            }
            x->send_head[which] = r->send_next;
            if (!x->send_head[which])
                x->send_end[which] = &x->send_head[which];
            r->is_listed = false;
            r->retry_ns = 0;
            r->sent_ns = now_ns;
        }
}

/* ---- answers ---- */

static void trouble(struct mmr_nats *x, struct mmr_nats_record *r, int64_t now_ns, const char *what)
{
    int64_t wait = (int64_t)RETRY_MS << (r->tries < 5 ? r->tries : 5);
    r->tries++;
    r->sent_ns = 0;
    r->retry_ns = now_ns + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS) * MMR_NS_PER_MS;
    x->troubles++;
    if (now_ns - x->told_ns < TELL_MS * MMR_NS_PER_MS)
        return;
    x->told_ns = now_ns;
    mmr_log(MMR_LOG_WARN, "nats.not_stored", "stream=%s site=%s count=%llu reason=\"%s\" what=\"sent again until it is; nothing is acknowledged to the site before\"",
            x->stream, r->site, (unsigned long long)x->troubles, what);
    x->troubles = 0;
}

static void on_heard(struct mmr_nats *x, const struct mmr_nats_reply *h, int64_t now_ns)
{
    struct mmr_nats_record *r = h->slot < MMR_ENGINE_WINDOW ? x->slot[h->slot] : NULL;
    char text[240], quoted[200];
    if (!r || r->gen != h->gen || r->part != h->part)
        return; /* of what was told done: an answer to its second sending */
    if (h->a.what == MMR_NATS_STORED) {
        x->stored += !h->a.is_known;
        x->doubled += h->a.is_known;
        if (r->is_listed) /* about to go once more, which is not needed: let it; the stream knows its id */
            return;
        if (r->part + 1 < r->parts) {
            r->part++;
            r->sent_ns = r->retry_ns = 0;
            r->tries = 0;
            list(x, r);
            return;
        }
        finish(x, r);
        return;
    }
    if (r->is_listed || r->retry_ns)
        return;
    if (h->a.what == MMR_NATS_NOBODY) {
        x->is_stream_good = false; /* look at it again */
        trouble(x, r, now_ns, "no stream took it: it is not there, has no leader, or does not have this subject");
        return;
    }
    if (h->a.code == JSStreamMessageExceedsMaximumErr) { /* its limit became smaller: learn it, begin this record anew */
        x->is_stream_good = false;
        r->part = 0;
        r->gen = ++x->gen;
    }
    (void)snprintf(text, sizeof text, "%s (%lld)", mmr_log_quote(h->a.text, strlen(h->a.text), quoted, sizeof quoted), (long long)h->a.code);
    trouble(x, r, now_ns, text);
}

void mmr_nats_on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx)
{
    struct mmr_nats *x = ctx;
    struct mmr_nats_reply h = {0};
    unsigned slot, part;
    unsigned long long gen;
    const char *subject = natsMsg_GetSubject(msg);
    const size_t head = strlen(x->inbox);
    (void)nc;
    (void)sub;
    if (strlen(subject) > head && sscanf(subject + head, ".%u.%llu.%u", &slot, &gen, &part) == 3) {
        h.slot = slot;
        h.part = part;
        h.gen = gen;
        if (natsMsg_IsNoResponders(msg))
            h.a.what = MMR_NATS_NOBODY;
        else
            mmr_nats_answer_read(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), &h.a);
        const uint64_t one = 1;
        bool was_empty = false;
        (void)pthread_mutex_lock(&x->lock);
        if (x->n_heard < HEARD_MAX) { /* else: it is sent again, and answered again */
            was_empty = x->n_heard == 0;
            x->heard[x->n_heard++] = h;
        }
        (void)pthread_mutex_unlock(&x->lock);
        if (was_empty && write(x->wake_fd, &one, sizeof one) < 0)
            mmr_log(MMR_LOG_WARN, "nats.not_woken", "what=\"looked at within a tenth of a second\"");
    }
    natsMsg_Destroy(msg);
}

static void hear(struct mmr_nats *x, int64_t now_ns)
{
    (void)pthread_mutex_lock(&x->lock);
    struct mmr_nats_reply *some = x->heard;
    const uint32_t n = x->n_heard;
    x->heard = x->heard_before;
    x->heard_before = some;
    x->n_heard = 0;
    (void)pthread_mutex_unlock(&x->lock);
    for (uint32_t i = 0; i < n; i++)
        on_heard(x, &some[i], now_ns);
}

static void scan(struct mmr_nats *x, int64_t now_ns)
{
    if (now_ns - x->scanned_ns < SCAN_MS * MMR_NS_PER_MS)
        return;
    x->scanned_ns = now_ns;
    for (uint32_t i = 0; i < MMR_ENGINE_WINDOW; i++) {
        struct mmr_nats_record *r = x->slot[i];
        if (!r || r->is_listed)
            continue;
        if (r->sent_ns && now_ns - r->sent_ns >= ANSWER_MS * MMR_NS_PER_MS)
            trouble(x, r, now_ns, "no answer: a server is away, or too few of the stream's servers are there to agree (no quorum)");
        if (r->retry_ns && now_ns >= r->retry_ns) {
            r->retry_ns = 0;
            list(x, r);
        }
    }
}

void mmr_nats_again(struct mmr_nats *x)
{
    for (uint32_t i = 0; i < MMR_ENGINE_WINDOW; i++) {
        struct mmr_nats_record *r = x->slot[i];
        if (!r || !(r->sent_ns || r->retry_ns))
            continue;
        r->sent_ns = r->retry_ns = 0;
        list(x, r);
    }
}

void mmr_nats_publish(struct mmr_nats *x, int64_t now_ns, bool is_good)
{
    hear(x, now_ns);
    if (!is_good)
        return;
    scan(x, now_ns);
    send_listed(x, now_ns);
}
