/* link: mmr_plugin_reset_objects mamori-libnft mmr_net mmr_lib_pcap mamori-sdk */
/*
 * fuzz_reset.c - packets of a connection that is being cut. The input is a row of packets: one byte of time step, one of length, an IP packet
 * whose addresses and ports are made to fit. What goes out is only ever a bare segment between the two ends, and never more than the ceiling.
 */
#include "cut.h"
#include "net_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct cut *c, const struct reset_segment *out, unsigned n)
{
    uint8_t buf[RESET_SEGMENT_MAX];
    if (n > CUT_OUT_MAX || c->resets + c->probes > CUT_SENT_MAX)
        abort();
    for (unsigned i = 0; i < n; i++) {
        const struct mmr_addr *a = &c->end[0].addr, *b = &c->end[1].addr;
        bool is_ab = memcmp(&out[i].src, a, sizeof *a) == 0 && memcmp(&out[i].dst, b, sizeof *b) == 0;
        bool is_ba = memcmp(&out[i].src, b, sizeof *b) == 0 && memcmp(&out[i].dst, a, sizeof *a) == 0;
        size_t len = reset_segment_write(&out[i], buf);
        if ((!is_ab && !is_ba) || (len != 40 && len != 60) || (out[i].flags & NET_TCP_SYN))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mmr_addr a = {{[10] = 0xff, 0xff, 192, 0, 2, 5}}, b = {{[10] = 0xff, 0xff, 198, 51, 100, 7}};
    struct cut c;
    int64_t ms = 1;
    cut_begin(&c, &a, 50000, &b, 80, 0x1234abcd, ms);
    while (size >= 2) {
        struct reset_segment out[CUT_OUT_MAX];
        struct mmr_packet p;
        struct net_extra x;
        ms += data[0] * 4;
        size_t len = data[1];
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        uint8_t *copy = malloc(len ? len : 1); /* its own block: reading past the end is seen */
        if (!copy)
            break;
        memcpy(copy, data, len);
        struct mmr_frame f = {.struct_size = sizeof f, .linktype = NET_DLT_RAW_LINK, .data = copy, .cap_len = (uint32_t)len, .wire_len = (uint32_t)len, .input = "fuzz"};
        if (net_decode(&f, false, &p, &x) == NET_DECODED_IP && p.proto == 6) {
            const int from = p.src_port & 1;
            p.src = from ? b : a;
            p.dst = from ? a : b;
            p.src_port = from ? 80 : 50000;
            p.dst_port = from ? 50000 : 80;
            p.payload_len += x.missing;
            if (cut_is_of(&c, &p))
                check(&c, out, cut_packet(&c, &p, ms, out));
        }
        check(&c, out, cut_tick(&c, ms, out));
        (void)cut_verdict(&c, ms, 2000);
        free(copy);
        data += len;
        size -= len;
    }
    return 0;
}
