/* events.c - the fields every event of this sensor shares, and the way out of it. */
#include "proc.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first address of this machine that is not loopback, IPv4 preferred; looked up once a minute. */
static void look_up_address(struct mmr_proc *p)
{
    struct ifaddrs *all = NULL;
    int64_t now = p->host->now_ns(p->host->impl, MMR_CLOCK_MONOTONIC);
    if (p->address_ns && now - p->address_ns < INT64_C(60000000000))
        return;
    p->address_ns = now ? now : 1;
    p->address[0] = '\0';
    if (gethostname(p->hostname, sizeof p->hostname - 1) != 0)
        p->hostname[0] = '\0';
    if (getifaddrs(&all) != 0)
        return;
    for (int want = 0; want < 2 && !p->address[0]; want++)
        for (const struct ifaddrs *a = all; a && !p->address[0]; a = a->ifa_next) {
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
            if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK) || !(a->ifa_flags & IFF_UP))
                continue;
            if (want == 0 && a->ifa_addr->sa_family == AF_INET) {
                memcpy(&v4, a->ifa_addr, sizeof v4);
                (void)inet_ntop(AF_INET, &v4.sin_addr, p->address, sizeof p->address);
            } else if (want == 1 && a->ifa_addr->sa_family == AF_INET6) {
                memcpy(&v6, a->ifa_addr, sizeof v6);
                if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
                    (void)inet_ntop(AF_INET6, &v6.sin6_addr, p->address, sizeof p->address);
            }
        }
    freeifaddrs(all);
}

static void put_some(struct mmr_proc *p, const char *key, const char *text)
{
    if (text && *text)
        mmr_event_str(&p->ev, key, text);
}

void mmr_proc_begin(struct mmr_proc *p, const char *kind, uint32_t class_uid, uint32_t activity, int64_t time_ns,
                    uint32_t severity)
{
    look_up_address(p);
    mmr_event_begin(&p->ev, p->buf, sizeof p->buf, kind, class_uid, activity, time_ns, severity);
    put_some(p, "device.hostname", p->hostname);
    put_some(p, "device.ip", p->address);
}

void mmr_proc_put_user(struct mmr_proc *p, uint32_t uid)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", uid);
    put_some(p, "user.name", mmr_users_name(&p->users, uid, p->host->now_ns(p->host->impl, MMR_CLOCK_MONOTONIC)));
    mmr_event_str(&p->ev, "user.uid", text);
}

void mmr_proc_put_process(struct mmr_proc *p, const struct mmr_pentry *e)
{
    char uid[48];
    (void)snprintf(uid, sizeof uid, "%u:%lld", e->pid, (long long)e->start_ticks);
    mmr_event_int(&p->ev, "process.pid", e->pid);
    mmr_event_int(&p->ev, "process.start_ticks", e->start_ticks);
    mmr_event_str(&p->ev, "process.uid", uid);
    put_some(p, "process.name", e->name);
    put_some(p, "process.file.path", e->path);
    mmr_proc_put_user(p, e->uid);
}

void mmr_proc_put_parent(struct mmr_proc *p, const struct mmr_pentry *e)
{
    char uid[48];
    const struct mmr_pentry *up = mmr_ptable_parent(p->table, e);
    if (!up) {
        if (e->ppid)
            mmr_event_int(&p->ev, "process.parent_process.pid", e->ppid);
        return;
    }
    (void)snprintf(uid, sizeof uid, "%u:%lld", up->pid, (long long)up->start_ticks);
    mmr_event_int(&p->ev, "process.parent_process.pid", up->pid);
    mmr_event_str(&p->ev, "process.parent_process.uid", uid);
    put_some(p, "process.parent_process.name", up->name);
    put_some(p, "process.parent_process.file.path", up->path);
    put_some(p, "process.parent_process.cmd_line", up->cmd_line);
}

void mmr_proc_addr_text(const struct mmr_rec_tuple *t, bool is_local, char ret[64])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = is_local ? t->local : t->remote;
    bool is_v4 = t->family == AF_INET || memcmp(b, mapped, sizeof mapped) == 0;
    if (!inet_ntop(is_v4 ? AF_INET : AF_INET6, t->family == AF_INET6 && is_v4 ? b + 12 : b, ret, 64))
        ret[0] = '\0';
}

void mmr_proc_put_ends(struct mmr_proc *p, const struct mmr_rec_tuple *t, bool is_incoming)
{
    char local[64], remote[64];
    mmr_proc_addr_text(t, true, local);
    mmr_proc_addr_text(t, false, remote);
    mmr_event_str(&p->ev, "src_endpoint.ip", is_incoming ? remote : local);
    mmr_event_int(&p->ev, "src_endpoint.port", is_incoming ? t->remote_port : t->local_port);
    mmr_event_str(&p->ev, "dst_endpoint.ip", is_incoming ? local : remote);
    mmr_event_int(&p->ev, "dst_endpoint.port", is_incoming ? t->local_port : t->remote_port);
    mmr_event_str(&p->ev, "connection_info.protocol_name", t->protocol == MMR_PROTO_UDP ? "udp" : "tcp");
}

void mmr_proc_lose(struct mmr_proc *p, uint64_t n)
{
    if (!p->lost)
        (void)p->host->set_timer(p->host->impl, 1000, MMR_PROC_TIMER_LOST);
    p->lost += n;
}

void mmr_proc_tell_lost(struct mmr_proc *p)
{
    if (!p->lost)
        return;
    uint64_t n = p->lost;
    char text[96];
    (void)snprintf(text, sizeof text, "%llu records of this machine's processes were lost", (unsigned long long)n);
    p->lost = 0;
    mmr_proc_begin(p, "sensor.drops", MMR_CLASS_EVENT_LOG, 99, p->host->now_ns(p->host->impl, MMR_CLOCK_WALL), 3);
    mmr_event_str(&p->ev, "message", text);
    mmr_event_int(&p->ev, "count", (int64_t)n);
    mmr_proc_send(p);
    p->host->log(p->host->impl, MMR_LOG_WARN, text);
}

static void keep(struct mmr_proc *p)
{
    uint32_t len = (uint32_t)p->ev.len;
    if (p->pending_len + sizeof len + len > MMR_PROC_PENDING_BYTES) {
        mmr_proc_lose(p, 1);
        return;
    }
    memcpy(p->pending + p->pending_len, &len, sizeof len);
    memcpy(p->pending + p->pending_len + sizeof len, p->ev.buf, len);
    p->pending_len += sizeof len + len;
    p->waiting++;
    p->is_stopped = true;
}

void mmr_proc_send(struct mmr_proc *p)
{
    if (mmr_event_end(&p->ev) != 0) {
        mmr_proc_lose(p, 1);
        return;
    }
    int r = p->is_stopped ? MMR_EAGAIN : p->host->emit(p->host->impl, p->ev.buf, p->ev.len);
    if (r == MMR_EAGAIN)
        keep(p);
    p->emitted += r == 0;
}

bool mmr_proc_flush(struct mmr_proc *p)
{
    while (p->pending_at < p->pending_len) {
        uint32_t len;
        memcpy(&len, p->pending + p->pending_at, sizeof len);
        int r = p->host->emit(p->host->impl, p->pending + p->pending_at + sizeof len, len);
        if (r == MMR_EAGAIN)
            return false;
        p->emitted += r == 0;
        p->waiting--;
        p->pending_at += sizeof len + len;
    }
    p->pending_at = p->pending_len = 0;
    p->is_stopped = false;
    return true;
}
