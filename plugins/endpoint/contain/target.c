/* target.c - an order's map (mamori/action.h) as the fields the verbs here read. */
#include "contain.h"

#include <arpa/inet.h>
#include <string.h>

static bool read_addr(const struct mmr_event_view *v, const char *key, struct mmr_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    memset(ret, 0, sizeof *ret);
    if (!mmr_event_copy_str(v, key, text, sizeof text))
        return false;
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

int mmr_order_read(const void *msgpack, size_t len, struct mmr_order *t, struct mmr_error *err)
{
    char proto[8] = "tcp";
    int r = mmr_event_read(msgpack, len, &t->view, err);
    if (r)
        return r;
    const struct mmr_event_view *v = &t->view;
    t->path[0] = t->exe[0] = t->sha256[0] = t->entry[0] = t->user[0] = '\0';
    (void)mmr_event_copy_str(v, "file.path", t->path, sizeof t->path);
    (void)mmr_event_copy_str(v, "process.file.path", t->exe, sizeof t->exe);
    (void)mmr_event_copy_str(v, "file.hashes.sha256", t->sha256, sizeof t->sha256);
    (void)mmr_event_copy_str(v, "entry", t->entry, sizeof t->entry);
    (void)mmr_event_copy_str(v, "user.name", t->user, sizeof t->user);
    (void)mmr_event_copy_str(v, "proto", proto, sizeof proto);
    t->print = (struct mmr_fingerprint){.pid = mmr_event_get_int(v, "process.pid", 0),
                                        .start_ticks = mmr_event_get_int(v, "process.start_ticks", 0),
                                        .exe = t->exe[0] ? t->exe : NULL};
    t->is_tree = mmr_event_get_int(v, "tree", 0) != 0;
    t->file = (struct mmr_file_id){.path = t->path, .inode = (uint64_t)mmr_event_get_int(v, "file.inode", 0),
                                   .device = (uint64_t)mmr_event_get_int(v, "file.device", 0), .sha256 = t->sha256};
    t->tuple.proto = strcmp(proto, "udp") == 0 ? 17 : 6;
    (void)read_addr(v, "src_endpoint.ip", &t->tuple.a);
    (void)read_addr(v, "dst_endpoint.ip", &t->tuple.b);
    t->tuple.a_port = (uint16_t)mmr_event_get_int(v, "src_endpoint.port", 0);
    t->tuple.b_port = (uint16_t)mmr_event_get_int(v, "dst_endpoint.port", 0);
    return 0;
}
