/* recorded.c - pcap and pcapng files in event time. Several open inputs are merged by time. */
#include "capture.h"
#include "inflate.h"

#include <stdlib.h>
#include <string.h>

static bool is_capture(const uint8_t m[CAP_MAGIC_BYTES])
{
    static const uint8_t magics[][4] = {
        {0xd4, 0xc3, 0xb2, 0xa1}, {0xa1, 0xb2, 0xc3, 0xd4}, /* microseconds, either byte order */
        {0x4d, 0x3c, 0xb2, 0xa1}, {0xa1, 0xb2, 0x3c, 0x4d}, /* nanoseconds */
        {0x34, 0xcd, 0xb2, 0xa1}, {0xa1, 0xb2, 0xcd, 0x34}, /* the old "modified" format */
        {0x0a, 0x0d, 0x0d, 0x0a},                           /* pcapng section header */
    };
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if (memcmp(m, magics[i], 4) == 0)
            return true;
    return false;
}

/* Make in->head the next packet; at the end, or where the file breaks off, the input is done. */
static void advance(struct cap *c, struct cap_input *in)
{
    if (in->is_done || in->head)
        return;
    int rc = pcap_next_ex(in->pcap, &in->head, &in->data);
    if (rc == 1)
        return;
    in->head = NULL;
    in->is_done = true;
    if (rc != PCAP_ERROR_BREAK)
        cap_log(c, MMR_LOG_WARN, "capture.truncated input=%s packets=%llu error=\"%s\" (what came before it is used)",
                in->name, (unsigned long long)in->index, pcap_geterr(in->pcap));
}

int cap_recorded_open(void *self, const char *path, const char *name, const char *format, struct mmr_error *err)
{
    struct cap *c = self;
    uint8_t magic[CAP_MAGIC_BYTES];
    char text[PCAP_ERRBUF_SIZE] = "";
    FILE *f;
    if (format && strcmp(format, "pcap") != 0 && strcmp(format, "pcapng") != 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "input '%s': format %s is not a capture", path, format);
    if (c->n == CAP_INPUTS_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "capture '%s': more than %d inputs in one instance", path, CAP_INPUTS_MAX);
    int rc = cap_stream_open(path, (uint64_t)c->cfg->gzip_max, magic, &f, err);
    if (rc < 0)
        return rc;
    if (!is_capture(magic)) {
        (void)fclose(f);
        return mmr_fail(err, MMR_EUNSUPPORTED, "input '%s': no pcap or pcapng file (first bytes %02x %02x %02x %02x)",
                        path, magic[0], magic[1], magic[2], magic[3]);
    }
    pcap_t *p = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, text);
    if (!p) {
        (void)fclose(f);
        return mmr_fail(err, MMR_EBADMSG, "capture '%s': %s", path, text);
    }
    struct bpf_program prog;
    if (c->cfg->filter && c->cfg->filter[0]) {
        if (pcap_compile(p, &prog, c->cfg->filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
            (void)mmr_fail(err, MMR_ECONFIG, "capture filter '%s': %s", c->cfg->filter, pcap_geterr(p));
            pcap_close(p);
            return MMR_ECONFIG;
        }
        (void)pcap_setfilter(p, &prog);
        pcap_freecode(&prog);
    }
    struct cap_input *in = &c->in[c->n];
    in->name = strdup(name ? name : path);
    if (!in->name) {
        pcap_close(p);
        return mmr_fail(err, MMR_ENOMEM, "capture '%s': out of memory", path);
    }
    in->pcap = p;
    in->linktype = (uint32_t)pcap_datalink(p);
    c->n++;
    return MMR_OK;
}

static struct cap_input *earliest(struct cap *c)
{
    struct cap_input *best = NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        struct cap_input *in = &c->in[i];
        advance(c, in);
        if (in->head && (!best || in->head->ts.tv_sec < best->head->ts.tv_sec ||
                         (in->head->ts.tv_sec == best->head->ts.tv_sec &&
                          in->head->ts.tv_usec < best->head->ts.tv_usec)))
            best = in;
    }
    return best;
}

int cap_recorded_next(void *self, int64_t *ret_time_ns, struct mmr_error *err)
{
    const struct cap_input *in = earliest(self);
    if (!in)
        return mmr_fail(err, MMR_ENOENT, "end of the recorded packets");
    *ret_time_ns = (int64_t)in->head->ts.tv_sec * 1000000000 + (int64_t)in->head->ts.tv_usec;
    return MMR_OK;
}

int cap_recorded_step(void *self, struct mmr_error *err)
{
    struct cap *c = self;
    struct cap_input *in = earliest(c);
    if (!in)
        return mmr_fail(err, MMR_ENOENT, "end of the recorded packets");
    const struct pcap_pkthdr *h = in->head;
    in->head = NULL;
    cap_publish(c, in, h, in->data, true);
    return MMR_OK;
}
