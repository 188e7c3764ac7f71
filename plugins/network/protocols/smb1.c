/* smb1.c - SMB 1 messages as old devices and old attacks still send them. Source: [MS-CIFS], [MS-SMB]. */
#include "smb.h"

#include "net_cursor.h"

#include <string.h>

enum {
    HEAD = 32,
    CMD_CLOSE = 0x04, CMD_TRANS = 0x25, CMD_READ = 0x2e, CMD_WRITE = 0x2f, CMD_SESSION = 0x73, CMD_TREE = 0x75,
    CMD_CREATE = 0xa2,
    CMD_LOCKING = 0x24, CMD_OPEN = 0x2d, CMD_LOGOFF = 0x74, CMD_NONE = 0xff, CHAIN_MAX = 8, FLAG2_UNICODE = 0x8000, FLAG_REPLY = 0x80, PIPE_TRANSACT = 0x26,
};

struct view {
    const uint8_t *p; /* the header */
    size_t n;
    const uint8_t *words, *bytes;
    size_t n_words, n_bytes; /* in bytes */
    uint32_t status;
    uint16_t tid, mid;
    bool wide;
};

/* at: where the command block begins, HEAD for the first. */
static bool open_view(const uint8_t *p, size_t n, size_t at, struct view *v)
{
    if (n < HEAD + 3 || at < HEAD || at >= n)
        return false;
    v->p = p;
    v->n = n;
    v->status = net_le32(p + 5);
    v->wide = net_le16(p + 10) & FLAG2_UNICODE;
    v->tid = net_le16(p + 24);
    v->mid = net_le16(p + 30);
    v->n_words = (size_t)p[at] * 2;
    if (at + 1 + v->n_words + 2 > n)
        return false;
    v->words = p + at + 1;
    v->bytes = v->words + v->n_words + 2;
    v->n_bytes = net_le16(v->bytes - 2);
    size_t left = n - (size_t)(v->bytes - p);
    if (v->n_bytes > left || v->n_bytes == 0) /* large writes leave the 16-bit count behind */
        v->n_bytes = left;
    return true;
}

/* Text at off of the byte block; wide text begins at an even offset of the message. */
static size_t text_at(const struct view *v, size_t off, char *buf, size_t cap)
{
    buf[0] = '\0';
    if (v->wide && ((size_t)(v->bytes - v->p) + off) % 2)
        off++;
    if (off >= v->n_bytes)
        return off;
    size_t left = v->n_bytes - off, len = 0;
    const uint8_t *t = v->bytes + off;
    if (v->wide) {
        while (len + 1 < left && (t[len] || t[len + 1]))
            len += 2;
        proto_utf16(buf, cap, t, len);
        return off + len + 2;
    }
    while (len < left && t[len])
        len++;
    proto_text(buf, cap, t, len);
    return off + len + 1;
}

static void file_id(uint8_t id[16], const uint8_t *fid)
{
    memset(id, 0, 16);
    memcpy(id, fid, 2);
    id[15] = 1; /* never equal to a file id of SMB 2 */
}

static const uint8_t *slice(const struct view *v, size_t off, size_t len, size_t *ret_n)
{
    if (off < HEAD || off >= v->n)
        return NULL;
    *ret_n = len < v->n - off ? len : v->n - off;
    return v->p + off;
}

static void on_request(struct smb_flow *s, const struct view *v, uint8_t command)
{
    const uint8_t *w = v->words, *data;
    struct smb_pending *q;
    uint8_t id[16];
    size_t n;
    if (command == CMD_SESSION && v->n_words >= 14) {
        q = smb_pending_add(s, v->mid, command, v->tid);
        smb_read_ntlm(q, v->bytes, v->n_bytes);
    } else if (command == CMD_TREE && v->n_words >= 8) {
        q = smb_pending_add(s, v->mid, command, v->tid);
        (void)text_at(v, net_le16(w + 6), q->text, sizeof q->text);
    } else if (command == CMD_CREATE && v->n_words >= 48) {
        q = smb_pending_add(s, v->mid, command, v->tid);
        q->access = net_le32(w + 15);
        q->disposition = net_le32(w + 35);
        (void)text_at(v, 0, q->text, sizeof q->text);
    } else if (command == CMD_CLOSE && v->n_words >= 2) {
        file_id(id, w);
        smb_file_close(s, id);
    } else if (command == CMD_READ && v->n_words >= 6) {
        q = smb_pending_add(s, v->mid, command, v->tid);
        file_id(q->file, w + 4);
    } else if (command == CMD_WRITE && v->n_words >= 24) {
        uint32_t len = net_le16(w + 20) | (uint32_t)net_le16(w + 18) << 16;
        file_id(id, w + 4);
        data = slice(v, net_le16(w + 22), len, &n);
        if (data)
            smb_tell_data(s, id, v->tid, MMR_TO_SERVER, net_le32(w + 6), len, data, n);
    } else if (command == CMD_TRANS && v->n_words >= 32 && net_le16(w + 28) == PIPE_TRANSACT) {
        q = smb_pending_add(s, v->mid, command, v->tid);
        file_id(q->file, w + 30);
        data = slice(v, net_le16(w + 24), net_le16(w + 22), &n);
        if (data)
            smb_tell_data(s, q->file, v->tid, MMR_TO_SERVER, 0, net_le16(w + 22), data, n);
    }
}

static void on_response(struct smb_flow *s, const struct view *v, uint8_t command)
{
    const uint8_t *w = v->words, *data;
    struct smb_pending *q = smb_pending_take(s, v->mid, command);
    uint8_t id[16];
    size_t n;
    if (!q)
        return;
    if (command == CMD_SESSION) {
        smb_tell_session(s, q, v->status);
    } else if (command == CMD_TREE) {
        if (v->status == 0)
            (void)smb_tree_set(s, v->tid, q->text);
        smb_tell_tree(s, q->text, v->status);
    } else if (command == CMD_CREATE) {
        if (v->status == 0 && v->n_words >= 8) {
            file_id(id, w + 5);
            (void)smb_file_add(s, id, q->tree, q->text);
        }
        smb_tell_open(s, q, v->status);
    } else if (command == CMD_READ && v->n_words >= 14) {
        data = slice(v, net_le16(w + 12), net_le16(w + 10), &n);
        if (data)
            smb_tell_data(s, q->file, q->tree, MMR_TO_CLIENT, 0, net_le16(w + 10), data, n);
    } else if (command == CMD_TRANS && v->n_words >= 16) {
        data = slice(v, net_le16(w + 14), net_le16(w + 12), &n);
        if (data)
            smb_tell_data(s, q->file, q->tree, MMR_TO_CLIENT, 0, net_le16(w + 12), data, n);
    }
}

/* Commands whose parameters begin with the next command and where it stands ([MS-CIFS] 2.2.3.4). */
static bool is_chained(uint8_t command)
{
    switch (command) {
    case CMD_LOCKING:
    case CMD_OPEN:
    case CMD_READ:
    case CMD_WRITE:
    case CMD_SESSION:
    case CMD_LOGOFF:
    case CMD_TREE:
    case CMD_CREATE: return true;
    default: return false;
    }
}

void smb1_message(struct smb_flow *s, uint8_t dir, const uint8_t *p, size_t n)
{
    size_t at = HEAD;
    uint8_t command = n > HEAD ? p[4] : 0;
    (void)dir;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        struct view v = {0};
        if (!open_view(p, n, at, &v))
            return;
        if (p[9] & FLAG_REPLY)
            on_response(s, &v, command);
        else
            on_request(s, &v, command);
        if (!is_chained(command) || v.n_words < 4 || v.words[0] == CMD_NONE)
            return;
        size_t next = net_le16(v.words + 2);
        if (next <= at) /* forwards only: no loops */
            return;
        command = v.words[0];
        at = next;
    }
}
