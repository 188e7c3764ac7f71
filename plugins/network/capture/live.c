/* live.c - packets of network interfaces through libpcap's ring, woken every 10 ms. */
#include "capture.h"

#include <mamori/event.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RING_TIMEOUT_MS = 10, /* the block is handed over this late: it adds to the time to a block */
    STATS_MS = 10000,
    BATCH = 2048, /* packets per wake, so that other work of the loop is not starved */
};

bool cap_default_route(const char *path, char *ret_name, size_t cap_bytes)
{
    char line[256], name[64];
    unsigned dest, gw, flags, metric, mask, best = 0;
    bool has = false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        int refs, use;
        if (sscanf(line, "%63s %x %x %x %d %d %u %x", name, &dest, &gw, &flags, &refs, &use, &metric, &mask) != 8)
            continue;
        if (dest == 0 && mask == 0 && (flags & 1) && (!has || metric < best)) { /* 1: RTF_UP */
            (void)snprintf(ret_name, cap_bytes, "%s", name);
            best = metric;
            has = true;
        }
    }
    (void)fclose(f);
    return has;
}

/* Open one interface; the pcap handle, or NULL and err. */
static pcap_t *open_interface(const struct cap *c, const char *name, struct mmr_error *err)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    struct bpf_program prog;
    pcap_t *p = pcap_create(name, text);
    if (!p) {
        (void)mmr_fail(err, MMR_EIO, "interface '%s': %s", name, text);
        return NULL;
    }
    (void)pcap_set_snaplen(p, (int)c->cfg->snaplen);
    (void)pcap_set_promisc(p, c->cfg->promiscuous);
    (void)pcap_set_timeout(p, RING_TIMEOUT_MS);
    (void)pcap_set_immediate_mode(p, c->cfg->immediate);
    (void)pcap_set_buffer_size(p, (int)c->cfg->buffer);
    int rc = pcap_activate(p);
    if (rc < 0) {
        (void)mmr_fail(err, rc == PCAP_ERROR_PERM_DENIED ? MMR_EPERM : MMR_EIO,
                       "interface '%s': %s %s; grant the plugin 'capture' or name another interface", name,
                       pcap_statustostr(rc), pcap_geterr(p));
        pcap_close(p);
        return NULL;
    }
    if (c->cfg->filter && c->cfg->filter[0]) {
        if (pcap_compile(p, &prog, c->cfg->filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
            (void)mmr_fail(err, MMR_ECONFIG, "capture filter '%s': %s", c->cfg->filter, pcap_geterr(p));
            pcap_close(p);
            return NULL;
        }
        rc = pcap_setfilter(p, &prog);
        pcap_freecode(&prog);
        if (rc != 0) {
            (void)mmr_fail(err, MMR_EIO, "interface '%s': filter refused: %s", name, pcap_geterr(p));
            pcap_close(p);
            return NULL;
        }
    }
    if (pcap_setnonblock(p, 1, text) != 0) {
        (void)mmr_fail(err, MMR_EIO, "interface '%s': %s", name, text);
        pcap_close(p);
        return NULL;
    }
    return p;
}

static int attach(struct cap *c, struct cap_input *in, struct mmr_error *err)
{
    pcap_t *p = open_interface(c, in->name, err);
    if (!p)
        return err ? err->code : MMR_EIO;
    in->pcap = p;
    in->fd = pcap_get_selectable_fd(p);
    in->linktype = (uint32_t)pcap_datalink(p);
    in->dropped = in->received = 0;
    in->has_counter = false;
    cap_counter_look(c, in); /* the comparison begins here */
    int rc = c->host->watch_fd(c->host->impl, in->fd, MMR_FD_READ, (uint64_t)(in - c->in));
    if (rc < 0) {
        pcap_close(p);
        in->pcap = NULL;
        in->fd = -1;
        return mmr_fail(err, rc, "interface '%s': its descriptor cannot be watched", in->name);
    }
    cap_log(c, MMR_LOG_INFO, "capture.started interface=%s linktype=%u", in->name, in->linktype);
    return MMR_OK;
}

static void detach(struct cap *c, struct cap_input *in)
{
    if (in->fd >= 0)
        (void)c->host->watch_fd(c->host->impl, in->fd, 0, (uint64_t)(in - c->in));
    in->fd = -1;
    if (in->pcap)
        pcap_close(in->pcap);
    in->pcap = NULL;
}

int cap_live_start(void *self, struct mmr_error *err)
{
    struct cap *c = self;
    for (size_t i = 0; i < c->cfg->interfaces.n; i++) {
        const char *want = c->cfg->interfaces.v[i];
        char name[64];
        if (c->n == CAP_INPUTS_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "capture: more than %d interfaces", CAP_INPUTS_MAX);
        if (strcmp(want, "default") == 0) {
            if (!cap_default_route("/proc/net/route", name, sizeof name)) {
                cap_log(c, MMR_LOG_WARN, "capture.no_default_route using=any");
                (void)snprintf(name, sizeof name, "any");
            }
            want = name;
        }
        struct cap_input *in = &c->in[c->n];
        in->name = strdup(want);
        if (!in->name)
            return mmr_fail(err, MMR_ENOMEM, "interface '%s': out of memory", want);
        int rc = attach(c, in, err);
        if (rc < 0) {
            free(in->name);
            in->name = NULL;
            cap_live_stop(c);
            return rc;
        }
        c->n++;
    }
    c->is_running = true;
    return c->host->set_timer(c->host->impl, STATS_MS, 0);
}

void cap_live_stop(void *self)
{
    struct cap *c = self;
    (void)c->host->set_timer(c->host->impl, -1, 0);
    for (uint32_t i = 0; i < c->n; i++) {
        detach(c, &c->in[i]);
        cap_input_done(&c->in[i]);
    }
    c->n = 0;
    c->is_running = false;
}

struct batch {
    struct cap *c;
    struct cap_input *in;
};

static void on_packet(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct batch b;
    memcpy(&b, user, sizeof b);
    cap_publish(b.c, b.in, h, data, false);
}

void cap_live_on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct cap *c = self;
    (void)fd;
    (void)rw;
    if (cookie >= c->n || !c->in[cookie].pcap)
        return;
    struct cap_input *in = &c->in[cookie];
    struct batch b = {.c = c, .in = in};
    uint8_t user[sizeof b];
    memcpy(user, &b, sizeof b);
    if (pcap_dispatch(in->pcap, BATCH, on_packet, user) >= 0)
        return;
    cap_log(c, MMR_LOG_ERR, "capture.lost interface=%s error=\"%s\" retry_s=%d", in->name, pcap_geterr(in->pcap),
            STATS_MS / 1000);
    detach(c, in); /* on_timer tries again */
}

/* Totals since the start, so that a lost one does not matter. */
static void report_stats(struct cap *c, struct cap_input *in)
{
    uint8_t buf[512];
    struct mmr_event ev;
    cap_counter_look(c, in);
    mmr_event_begin(&ev, buf, sizeof buf, "capture.stats", MMR_CLASS_EVENT_LOG, 99, c->host->now_ns(c->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "unmapped.interface", in->name);
    mmr_event_int(&ev, "unmapped.received", (int64_t)in->received);
    mmr_event_int(&ev, "unmapped.dropped", (int64_t)in->dropped);
    if (in->has_counter) {
        mmr_event_int(&ev, "unmapped.bytes", (int64_t)cap_counter_seen(in));
        mmr_event_int(&ev, "unmapped.gateway_bytes", (int64_t)in->gateway_bytes);
    }
    (void)mmr_event_emit(&ev, c->host); /* telemetry: the next one says it again */
}

static void report_drops(struct cap *c, struct cap_input *in)
{
    struct pcap_stat st;
    uint8_t buf[1024];
    struct mmr_event ev;
    if (pcap_stats(in->pcap, &st) != 0)
        return;
    /* the kernel's counters are 32 bits and wrap: add the difference */
    uint32_t dropped = (uint32_t)(st.ps_drop + st.ps_ifdrop - (uint32_t)in->dropped);
    uint32_t received = (uint32_t)(st.ps_recv - (uint32_t)in->received);
    in->dropped += dropped;
    in->received += received;
    report_stats(c, in);
    if (dropped == 0)
        return;
    mmr_event_begin(&ev, buf, sizeof buf, "capture.drops", MMR_CLASS_EVENT_LOG, 99,
                    c->host->now_ns(c->host->impl, MMR_CLOCK_WALL), 3);
    mmr_event_str(&ev, "unmapped.interface", in->name);
    mmr_event_int(&ev, "unmapped.dropped", dropped);
    mmr_event_int(&ev, "unmapped.received", received);
    mmr_event_int(&ev, "unmapped.dropped_total", (int64_t)in->dropped);
    char text[160];
    (void)snprintf(text, sizeof text, "%u of %u packets on %s were not seen in the last %d s", dropped,
                   received + dropped, in->name, STATS_MS / 1000);
    mmr_event_str(&ev, "message", text);
    if (mmr_event_emit(&ev, c->host) < 0)
        cap_log(c, MMR_LOG_WARN, "capture.drops interface=%s dropped=%u (the event could not be sent)", in->name,
                dropped);
}

void cap_live_on_timer(void *self, uint64_t cookie)
{
    struct cap *c = self;
    (void)cookie;
    if (!c->is_running)
        return;
    for (uint32_t i = 0; i < c->n; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        if (c->in[i].pcap)
            report_drops(c, &c->in[i]);
        else if (attach(c, &c->in[i], &err) < 0)
            cap_log(c, MMR_LOG_DEBUG, "capture.retry %s", err.text);
    }
    (void)c->host->set_timer(c->host->impl, STATS_MS, 0);
}
