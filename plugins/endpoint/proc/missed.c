/*
 * missed.c - what started while the sensor was away: it was killed, or mamori was stopped, and the machine went on. The last start whose
 * event is committed, with what rules made of it, is written down; at the next start of the same boot, what runs by then and started
 * later is told late.
 *
 * Told twice is what started in the last SAVE_S seconds before a kill, and in the same tick (10 ms) as that one; not told is what is gone by then, and a program that an older
 * process became.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "procfs.h"

enum { SAVE_S = 5, LATE_MAX = 1024, BOOT_ID = 36, ROW = BOOT_ID + 1 + 20 + 1 };

struct late {
    int64_t start_ticks;
    uint32_t pid, reserved;
};
struct mmr_missed {
    struct mmr_proc *p;
    int fd;
    char boot[BOOT_ID + 1];
    int64_t since;                       /* start ticks, as all of them; 0: it is not known, nothing is told late */
    int64_t told, asked_ticks, newest, written; /* told; told by then; of those committed; of those in the file */
    uint64_t asked;                      /* the event whose commit says that asked_ticks is committed; 0: none is awaited */
    int64_t written_ns;
    struct late *late;
    size_t n, more;
};

int mmr_missed_new(struct mmr_proc *p, struct mmr_missed **ret, struct mmr_error *err)
{
    char path[4096], row[ROW + 1];
    struct mmr_missed *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "process sensor: out of memory");
    m->p = p;
    m->fd = -1;
    *ret = m;
    if (!*p->host->state_dir || !mmr_procfs_boot_id(m->boot) || (size_t)snprintf(path, sizeof path, "%s/told", p->host->state_dir) >= sizeof path)
        return 0;
    m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->fd < 0) {
        char text[300];
        (void)snprintf(text, sizeof text, "proc.told_not_kept error=\"%.200s\" what=\"after a restart, programs that started meanwhile are not told\"", strerror(errno));
        p->host->log(p->host->impl, MMR_LOG_WARN, text);
        return 0;
    }
    ssize_t n = pread(m->fd, row, ROW, 0);
    row[n > 0 ? n : 0] = '\0';
    if (n == ROW && memcmp(row, m->boot, BOOT_ID) == 0 && row[BOOT_ID] == ' ') {
        m->since = strtoll(row + BOOT_ID + 1, NULL, 10);
        m->told = m->newest = m->written = m->since;
    }
    return 0;
}

static void write_row(struct mmr_missed *m, int64_t now_ns)
{
    char row[ROW + 1];
    if (m->fd < 0 || m->newest == m->written)
        return;
    (void)snprintf(row, sizeof row, "%.36s %20lld\n", m->boot, (long long)m->newest);
    if (pwrite(m->fd, row, ROW, 0) == ROW) /* one row in one page: the whole of it or nothing, also under kill -9 */
        m->written = m->newest;
    m->written_ns = now_ns;
}

void mmr_missed_free(struct mmr_missed *m)
{
    if (!m)
        return;
    write_row(m, 0);
    if (m->fd >= 0)
        (void)close(m->fd);
    free(m->late);
    free(m);
}

static void committed(struct mmr_missed *m, int64_t ticks)
{
    int64_t now = m->p->host->now_ns(m->p->host->impl, MMR_CLOCK_MONOTONIC);
    m->newest = ticks;
    if (!m->written_ns || now - m->written_ns >= SAVE_S * INT64_C(1000000000))
        write_row(m, now);
}

void mmr_missed_told(struct mmr_missed *m, int64_t start_ticks)
{
    if (start_ticks <= m->told)
        return;
    m->told = start_ticks;
    if (m->asked) /* an earlier one is on its way; this one is asked about when that is committed */
        return;
    m->asked = m->p->emitted + m->p->waiting;
    m->asked_ticks = start_ticks;
}

void mmr_missed_committed(struct mmr_missed *m, uint64_t upto)
{
    if (!m->asked || upto < m->asked)
        return;
    committed(m, m->asked_ticks);
    m->asked = m->told > m->asked_ticks ? m->p->emitted + m->p->waiting : 0;
    m->asked_ticks = m->told;
}

static bool take(void *ctx, uint32_t pid)
{
    struct mmr_missed *m = ctx;
    struct mmr_pstat st;
    if (pid == (uint32_t)getpid() || !mmr_procfs_stat(pid, &st) || st.start_ticks < m->since || st.state == 'Z' || st.ppid == 2)
        return true;
    if (m->n == LATE_MAX)
        m->more++;
    else
        m->late[m->n++] = (struct late){.start_ticks = st.start_ticks, .pid = pid};
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct late *x = a, *y = b;
    return x->start_ticks != y->start_ticks ? (x->start_ticks < y->start_ticks ? -1 : 1) : 0;
}

int64_t mmr_missed_tell(struct mmr_missed *m)
{
    const struct mmr_host *h = m->p->host;
    char text[200];
    struct timespec up = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &up); /* what start ticks count on */
    int64_t up_ns = (int64_t)up.tv_sec * 1000000000 + up.tv_nsec;
    if (!m->since) { /* the first of this boot: what runs already is no news, what starts from now on is */
        m->told = up_ns / MMR_PROC_TICK_NS;
        committed(m, m->told);
        return INT64_MAX;
    }
    m->late = calloc(LATE_MAX, sizeof *m->late);
    if (!m->late)
        return INT64_MAX;
    mmr_procfs_each(take, m);
    qsort(m->late, m->n, sizeof *m->late, by_start);
    int64_t booted = h->now_ns(h->impl, MMR_CLOCK_WALL) - up_ns;
    for (size_t i = 0; i < m->n; i++)
        mmr_proc_exec_pid(m->p, m->late[i].pid, booted + m->late[i].start_ticks * MMR_PROC_TICK_NS);
    if (m->more)
        mmr_proc_lose(m->p, m->more);
    if (m->n) {
        (void)snprintf(text, sizeof text, "proc.late programs=%zu left_out=%zu what=\"they started while the sensor was away\"", m->n, m->more);
        h->log(h->impl, MMR_LOG_INFO, text);
    }
    free(m->late);
    m->late = NULL;
    return m->since;
}
