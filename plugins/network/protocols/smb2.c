/* smb2.c - SMB 2 and 3 messages. Source: [MS-SMB2]. Encrypted ones (0xfd) never come here. */
#include "smb.h"

#include "net_cursor.h"

#include <string.h>

enum {
    HEAD = 64, FLAG_RESPONSE = 1, COMPOUND_MAX = 32,
    CMD_SESSION = 1, CMD_TREE = 3, CMD_CREATE = 5, CMD_CLOSE = 6, CMD_READ = 8, CMD_WRITE = 9, CMD_IOCTL = 11,
};
static const uint8_t last_file[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; /* of the compound */
enum { FSCTL_PIPE_TRANSCEIVE = 0x0011c017 };

struct view { /* one message: p from its header, n to its end */
    const uint8_t *p;
    size_t n;
    uint64_t mid;
    uint32_t tree, status;
};

/* The slice at off (from the header) of len bytes, cut to what is there; NULL when it begins outside. */
static const uint8_t *slice(const struct view *v, size_t off, size_t len, size_t *ret_n)
{
    if (off < HEAD || off >= v->n)
        return NULL;
    *ret_n = len < v->n - off ? len : v->n - off;
    return v->p + off;
}

static uint64_t le64(const uint8_t *p)
{
    return net_le32(p) | (uint64_t)net_le32(p + 4) << 32;
}

static void on_request(struct smb_flow *s, const struct view *v, uint16_t command)
{
    const uint8_t *b = v->p + HEAD, *data;
    size_t left = v->n - HEAD, n;
    struct smb_pending *q;
    switch (command) {
    case CMD_SESSION:
        if (left < 16)
            return;
        q = smb_pending_add(s, v->mid, command, v->tree);
        data = slice(v, net_le16(b + 12), net_le16(b + 14), &n);
        if (data)
            smb_read_ntlm(q, data, n);
        break;
    case CMD_TREE:
        if (left < 8)
            return;
        data = slice(v, net_le16(b + 4), net_le16(b + 6), &n);
        q = smb_pending_add(s, v->mid, command, v->tree);
        if (data)
            proto_utf16(q->text, sizeof q->text, data, n);
        break;
    case CMD_CREATE:
        if (left < 48)
            return;
        q = smb_pending_add(s, v->mid, command, v->tree);
        q->access = net_le32(b + 24);
        q->disposition = net_le32(b + 36);
        data = slice(v, net_le16(b + 44), net_le16(b + 46), &n);
        if (data)
            proto_utf16(q->text, sizeof q->text, data, n);
        break;
    case CMD_CLOSE:
        if (left >= 24)
            smb_file_close(s, b + 8);
        break;
    case CMD_READ:
        if (left < 32)
            return;
        q = smb_pending_add(s, v->mid, command, v->tree);
        memcpy(q->file, b + 16, 16);
        break;
    case CMD_WRITE:
        if (left < 48)
            return;
        data = slice(v, net_le16(b + 2), net_le32(b + 4), &n);
        if (data && memcmp(b + 16, last_file, 16) != 0)
            smb_tell_data(s, b + 16, v->tree, MMR_TO_SERVER, le64(b + 8), net_le32(b + 4), data, n);
        break;
    case CMD_IOCTL:
        if (left < 56)
            return;
        q = smb_pending_add(s, v->mid, command, v->tree);
        memcpy(q->file, b + 8, 16);
        data = slice(v, net_le32(b + 24), net_le32(b + 28), &n);
        if (data && net_le32(b + 4) == FSCTL_PIPE_TRANSCEIVE)
            smb_tell_data(s, b + 8, v->tree, MMR_TO_SERVER, 0, net_le32(b + 28), data, n);
        break;
    default:
        break;
    }
}

static void on_response(struct smb_flow *s, const struct view *v, uint16_t command)
{
    const uint8_t *b = v->p + HEAD, *data;
    size_t left = v->n - HEAD, n;
    if (v->status == 0x00000103) /* STATUS_PENDING: the answer follows */
        return;
    struct smb_pending *q = smb_pending_take(s, v->mid, command);
    switch (command) {
    case CMD_SESSION:
        if (q)
            smb_tell_session(s, q, v->status);
        break;
    case CMD_TREE:
        if (q && v->status == 0)
            (void)smb_tree_set(s, v->tree, q->text);
        if (q)
            smb_tell_tree(s, q->text, v->status);
        break;
    case CMD_CREATE:
        if (q && v->status == 0 && left >= 80)
            (void)smb_file_add(s, b + 64, q->tree, q->text);
        if (q)
            smb_tell_open(s, q, v->status);
        break;
    case CMD_READ:
        if (!q || left < 16)
            return;
        data = slice(v, b[2], net_le32(b + 4), &n);
        if (data && (v->status == 0 || v->status == 0x80000005)) /* 0x80000005: more of it follows */
            smb_tell_data(s, q->file, q->tree, MMR_TO_CLIENT, 0, net_le32(b + 4), data, n);
        break;
    case CMD_IOCTL:
        if (!q || left < 48 || net_le32(b + 4) != FSCTL_PIPE_TRANSCEIVE)
            return;
        data = slice(v, net_le32(b + 32), net_le32(b + 36), &n);
        if (data)
            smb_tell_data(s, q->file, q->tree, MMR_TO_CLIENT, 0, net_le32(b + 36), data, n);
        break;
    default:
        break;
    }
}

void smb2_message(struct smb_flow *s, uint8_t dir, const uint8_t *p, size_t n)
{
    for (unsigned i = 0; i < COMPOUND_MAX && n >= HEAD && p[0] == 0xfe; i++) {
        uint32_t flags = net_le32(p + 16), next = net_le32(p + 20);
        size_t len = next >= HEAD && next < n ? next : n;
        struct view v = {.p = p, .n = len, .mid = le64(p + 24), .tree = net_le32(p + 36), .status = net_le32(p + 8)};
        (void)dir;
        if (flags & FLAG_RESPONSE)
            on_response(s, &v, net_le16(p + 12));
        else
            on_request(s, &v, net_le16(p + 12));
        if (len == n)
            break;
        p += len;
        n -= len;
    }
}
