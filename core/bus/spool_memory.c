/* spool_memory.c - a node's spool without a disk: a row of records a lane, bounded by bytes. */
#include "bus/site.h"

#include "util/clock.h"
#include "util/id.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next;
    uint64_t seq, number;
    uint32_t kind, name_len;
    size_t len;
    uint8_t data[]; /* name and its NUL, then the bytes */
};
struct lane {
    struct item *head, *tail;
    uint64_t last, dropped;
    struct item *cursor; /* where the last read_from() ended: reading on costs no search */
};
struct mmr_spool_memory {
    pthread_mutex_t lock;
    size_t bytes, bytes_max;
    uint8_t epoch[16];
    struct lane lane[MMR_LANES];
};

static size_t weight(const struct item *it)
{
    return sizeof *it + it->name_len + 1 + it->len;
}

static void pop(struct mmr_spool_memory *s, struct lane *l)
{
    struct item *it = l->head;
    l->head = it->next;
    if (!l->head)
        l->tail = NULL;
    if (l->cursor == it)
        l->cursor = NULL;
    s->bytes -= weight(it);
    free(it);
}

static int append(void *spool, uint32_t lane, uint32_t kind, const char *instance, uint64_t number,
                  const void *bytes, size_t len, uint64_t *ret_seq)
{
    struct mmr_spool_memory *s = spool;
    size_t name_len = strlen(instance);
    struct item *it = malloc(sizeof *it + name_len + 1 + len);
    if (!it)
        return MMR_ENOMEM;
    it->next = NULL;
    it->kind = kind;
    it->number = number;
    it->name_len = (uint32_t)name_len;
    it->len = len;
    memcpy(it->data, instance, name_len + 1);
    if (len)
        memcpy(it->data + name_len + 1, bytes, len);

    (void)pthread_mutex_lock(&s->lock);
    struct lane *l = &s->lane[lane];
    for (uint32_t victim = MMR_LANE_TELEMETRY; victim >= MMR_LANE_OTHER && s->bytes + weight(it) > s->bytes_max;) {
        if (lane > victim) /* telemetry never pushes out a finding */
            break;
        if (s->lane[victim].head) {
            s->lane[victim].dropped++;
            pop(s, &s->lane[victim]);
        } else {
            victim--;
        }
    }
    if (s->bytes + weight(it) > s->bytes_max) {
        if (lane >= MMR_LANE_OTHER)
            l->dropped++; /* nothing of its own to make room with: this one is the loss */
        (void)pthread_mutex_unlock(&s->lock);
        free(it);
        return MMR_EAGAIN;
    }
    it->seq = ++l->last;
    *ret_seq = it->seq;
    if (l->tail)
        l->tail->next = it;
    else
        l->head = it;
    l->tail = it;
    s->bytes += weight(it);
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

static void read_from(void *spool, uint32_t lane, uint64_t seq, bool (*each)(void *arg, const struct mmr_spool_item *it),
                      void *arg)
{
    struct mmr_spool_memory *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    struct lane *l = &s->lane[lane];
    struct item *it = l->cursor && l->cursor->seq < seq ? l->cursor : l->head;
    while (it && it->seq < seq)
        it = it->next;
    for (; it; it = it->next) {
        struct mmr_spool_item item = {.seq = it->seq, .number = it->number, .kind = it->kind,
                                      .instance = (const char *)it->data, .bytes = it->data + it->name_len + 1,
                                      .len = it->len};
        if (!each(arg, &item))
            break;
        l->cursor = it;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void trim(void *spool, uint32_t lane, uint64_t upto)
{
    struct mmr_spool_memory *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    struct lane *l = &s->lane[lane];
    while (l->head && l->head->seq <= upto)
        pop(s, l);
    (void)pthread_mutex_unlock(&s->lock);
}

static void range(void *spool, uint32_t lane, uint64_t *ret_first, uint64_t *ret_last)
{
    struct mmr_spool_memory *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    const struct lane *l = &s->lane[lane];
    *ret_first = l->head ? l->head->seq : l->last + 1;
    *ret_last = l->last;
    (void)pthread_mutex_unlock(&s->lock);
}

static void epoch(void *spool, uint8_t ret_epoch[16])
{
    memcpy(ret_epoch, ((struct mmr_spool_memory *)spool)->epoch, 16);
}

const struct mmr_spool_ops mmr_spool_memory_ops = {
    .append = append, .read_from = read_from, .trim = trim, .range = range, .epoch = epoch};

int mmr_spool_memory_new(size_t bytes_max, struct mmr_spool_memory **ret_spool, struct mmr_error *err)
{
    struct mmr_spool_memory *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "spool: out of memory");
    (void)pthread_mutex_init(&s->lock, NULL);
    s->bytes_max = bytes_max;
    mmr_uuid7(mmr_clock_wall_ns(), s->epoch);
    *ret_spool = s;
    return 0;
}

void mmr_spool_memory_free(struct mmr_spool_memory *spool)
{
    if (!spool)
        return;
    for (uint32_t l = 0; l < MMR_LANES; l++)
        while (spool->lane[l].head)
            pop(spool, &spool->lane[l]);
    (void)pthread_mutex_destroy(&spool->lock);
    free(spool);
}

uint64_t mmr_spool_memory_dropped(struct mmr_spool_memory *spool, uint32_t lane)
{
    (void)pthread_mutex_lock(&spool->lock);
    uint64_t n = spool->lane[lane].dropped;
    (void)pthread_mutex_unlock(&spool->lock);
    return n;
}
