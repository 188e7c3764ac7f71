/* mix.c - see mix.h. */
#include "mix.h"

#include <fcntl.h>
#include <ftw.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct frame { /* of one copy; time relative to the start of its capture */
    int64_t time_us;
    uint32_t cap_len, wire_len;
    const uint8_t *data; /* in a block that lives to the end of the program */
    uint32_t order;
    uint8_t copy;
};
struct pile {
    struct frame *v;
    size_t n, cap;
};

/* nftw() has no context */
static const char **found;
static size_t n_found;

static int take_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F && st->st_size > 24 && n_found < MIX_FILES_MAX && (strstr(path, ".pcap") || strstr(path, ".cap")) && !strstr(path, ".gz")) {
        const char *copy = strdup(path);
        if (copy)
            found[n_found++] = copy;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t mix_find(const char *folder, const char **files, size_t n)
{
    found = files;
    n_found = n;
    (void)nftw(folder, take_file, 8, FTW_PHYS);
    if (n_found > n)
        qsort(files + n, n_found - n, sizeof files[0], by_name);
    return n_found;
}

static bool push(struct pile *p, const struct frame *f)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 4096;
        struct frame *v = realloc(p->v, cap * sizeof *v);
        if (!v)
            return false;
        p->v = v;
        p->cap = cap;
    }
    p->v[p->n++] = *f;
    return true;
}

static bool read_one(const char *path, struct pile *p)
{
    char text[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *h;
    const uint8_t *data;
    int64_t start = 0;
    bool is_first = true;
    pcap_t *in = pcap_open_offline(path, text);
    if (!in || pcap_datalink(in) != DLT_EN10MB) {
        if (in)
            pcap_close(in);
        return false;
    }
    while (pcap_next_ex(in, &h, &data) == 1) {
        int64_t t = (int64_t)h->ts.tv_sec * 1000000 + h->ts.tv_usec;
        if (is_first)
            start = t;
        is_first = false;
        struct frame f = {.time_us = t > start ? t - start : 0, .cap_len = h->caplen, .wire_len = h->len, .order = (uint32_t)p->n};
        uint8_t *copy = malloc(h->caplen + 1);
        if (!copy)
            break;
        memcpy(copy, data, h->caplen);
        f.data = copy;
        if (!push(p, &f))
            break;
    }
    pcap_close(in);
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct frame *x = a, *y = b;
    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    if (x->copy != y->copy)
        return x->copy < y->copy ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 1624: a checksum follows a changed 16-bit word, and stays wrong where it was wrong */
static void follow(uint8_t *sum, uint16_t before, uint16_t after)
{
    uint32_t s = (uint16_t)~be16(sum) + (uint32_t)(uint16_t)~before + after;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    sum[0] = (uint8_t)(~s >> 8);
    sum[1] = (uint8_t)~s;
}

/* The checksum field of the transport header, where this packet has one that holds the addresses. */
static uint8_t *transport_sum(uint8_t *l4, size_t len, uint8_t proto, bool is_v6)
{
    if (proto == 6 && len >= 18)
        return l4 + 16;
    if (proto == 17 && len >= 8 && be16(l4 + 6))
        return l4 + 6;
    return is_v6 && proto == 58 && len >= 4 ? l4 + 2 : NULL;
}

/* Another office: the third byte of private and public IPv4 addresses, one of the subnet's bytes of IPv6. Groups stay what they are. */
static void shift_word(uint8_t *word, uint16_t by, uint8_t *sum, uint8_t *sum2)
{
    uint16_t before = be16(word), after = before ^ by;
    word[0] = (uint8_t)(after >> 8);
    word[1] = (uint8_t)after;
    if (sum)
        follow(sum, before, after);
    if (sum2)
        follow(sum2, before, after);
}

static void shift_addresses(uint8_t *p, size_t len, unsigned copy)
{
    size_t at = 12;
    while (at + 4 <= len && (be16(p + at) == 0x8100 || be16(p + at) == 0x88a8))
        at += 4;
    if (at + 2 > len)
        return;
    uint16_t type = be16(p + at);
    uint8_t *ip = p + at + 2;
    len -= at + 2;
    if (type == 0x0800 && len >= 20) {
        size_t head = (size_t)(ip[0] & 15) * 4;
        bool is_first = !(be16(ip + 6) & 0x1fff);
        uint8_t *l4 = head >= 20 && head < len && is_first ? transport_sum(ip + head, len - head, ip[9], false) : NULL;
        for (unsigned side = 12; side <= 16; side += 4)
            if (ip[side] < 224 && ip[side] != 0 && ip[side] != 127)
                shift_word(ip + side + 2, (uint16_t)(copy << 11), ip + 10, l4);
    } else if (type == 0x86dd && len >= 40) {
        uint8_t *l4 = transport_sum(ip + 40, len - 40, ip[6], true);
        for (unsigned side = 8; side <= 24; side += 16)
            if (ip[side] != 0xff && (ip[side] | ip[side + 1]))
                shift_word(ip + side + 6, (uint16_t)copy, NULL, l4);
    } else if (type == 0x0806 && len >= 28) {
        ip[16] ^= (uint8_t)(copy << 3);
        ip[26] ^= (uint8_t)(copy << 3);
    }
}

static int write_all(const char *path, const struct pile *p, struct mix_facts *ret)
{
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
    pcap_dumper_t *out = dead ? pcap_dump_open(dead, path) : NULL;
    uint8_t *work = malloc(262144);
    int rc = out && work ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        const struct frame *f = &p->v[i];
        struct pcap_pkthdr h = {.ts = {.tv_sec = 1700000000 + f->time_us / 1000000, .tv_usec = f->time_us % 1000000}, .caplen = f->cap_len, .len = f->wire_len};
        if (f->cap_len > 262144)
            continue;
        memcpy(work, f->data, f->cap_len);
        if (f->copy)
            shift_addresses(work, f->cap_len, f->copy);
        pcap_dump((u_char *)out, &h, work);
        ret->packets++;
        ret->bytes += f->cap_len;
    }
    if (out && (pcap_dump_flush(out) != 0 || ferror(pcap_dump_file(out))))
        rc = -1;
    if (out)
        pcap_dump_close(out);
    if (dead)
        pcap_close(dead);
    free(work);
    return rc;
}

int mix_write(const char *path, const char *const *files, size_t n, unsigned copies, struct mix_facts *ret)
{
    struct pile p = {0};
    *ret = (struct mix_facts){0};
    for (size_t i = 0; i < n; i++)
        if (read_one(files[i], &p))
            ret->files++;
        else
            ret->left_out++;
    size_t once = p.n;
    for (unsigned c = 1; c < copies && c < MIX_COPIES_MAX; c++)
        for (size_t i = 0; i < once; i++) {
            struct frame f = p.v[i];
            f.copy = (uint8_t)c;
            f.time_us += (int64_t)c * 250000; /* copies run side by side, a little apart */
            if (!push(&p, &f))
                break;
        }
    if (p.n)
        qsort(p.v, p.n, sizeof p.v[0], by_time);
    int rc = p.n ? write_all(path, &p, ret) : -1;
    if (rc < 0)
        (void)fprintf(stderr, "mix '%s': cannot be written, or no Ethernet capture among %zu files\n", path, n);
    for (size_t i = 0; i < p.n; i++)
        if (p.v[i].copy == 0) {
            union { /* malloc'ed above */
                const uint8_t *c;
                uint8_t *m;
            } u = {p.v[i].data};
            free(u.m);
        }
    free(p.v);
    return rc;
}
