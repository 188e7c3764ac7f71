/* link: mamori-rules mamori-sdk */
/* fuzz_rule.c - rule text from anywhere: read, compiled, and run over bytes of the same input. */
#include <rules/rules.h>

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct mmr_rules *set, const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.is_midstream_ok = true};
    struct mmr_rules_engine *e = NULL;
    if (mmr_rules_engine_new(set, &opt, &e, &err) < 0)
        return;
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = 1, .app = "http",
                            .tcp_state = MMR_TCP_ESTABLISHED, .client_port = 1025, .server_port = 80};
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = 1, .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .ip_version = 4, .proto = IPPROTO_TCP,
                           .src_port = 1025, .dst_port = 80, .payload = data, .payload_len = (uint32_t)size, .l3 = data,
                           .l3_len = (uint32_t)size, .l4_off = size > 20 ? 20 : 0};
    struct mmr_chunk c = {.struct_size = sizeof c, .flow = &flow, .packet = &p, .data = data, .len = (uint32_t)size};
    const struct mmr_buffer bufs[] = {{"http.uri", data, size}, {"http.host", data, size / 2}, {"file.data", data, size},
                                      {"dns.query", data, size / 3}, {"http.request_body", data, size}};
    struct mmr_tx tx = {.struct_size = sizeof tx, .flow = &flow, .packet = &p, .app = "http", .buffers = bufs, .n = 5};
    mmr_rules_packet(e, &p);
    mmr_rules_chunk(e, &c);
    mmr_rules_tx(e, &tx);
    tx.dir = c.dir = MMR_TO_CLIENT;
    mmr_rules_chunk(e, &c);
    mmr_rules_tx(e, &tx);
    mmr_rules_flow_end(e, &flow);
    mmr_rules_engine_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    if (size > 65536 || mmr_rules_new(NULL, &set, &err) < 0)
        return 0;
    if (mmr_rules_add_text(set, "fuzz", (const char *)data, size, NULL, NULL, &err) == 0 &&
        mmr_rules_compile(set, &err) == 0 && mmr_rules_count(set))
        run(set, data, size);
    mmr_rules_free(set);
    return 0;
}
