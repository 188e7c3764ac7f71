/*
 * smb.c - SMB over TCP: NetBIOS framing, the state smb1.c and smb2.c share, events. Every table has a
 * ceiling; names and lengths come from the network.
 */
#include "smb.h"

#include "net_cursor.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- tables ---- */

struct smb_pending *smb_pending_add(struct smb_flow *s, uint64_t mid, uint16_t command, uint32_t tree)
{
    struct smb_pending *p = NULL;
    unsigned i = 0;
    for (; i < SMB_PENDING && s->pending[i] && s->pending[i]->is_used; i++)
        if (!p || s->pending[i]->since < p->since)
            p = s->pending[i]; /* of 64 that were never answered the oldest gives way */
    if (i < SMB_PENDING) {
        if (!s->pending[i])
            s->pending[i] = malloc(sizeof *p);
        p = s->pending[i] ? s->pending[i] : &s->unkept;
    }
    memset(p, 0, sizeof *p);
    p->is_used = true;
    p->since = ++s->clock;
    p->mid = mid;
    p->command = command;
    p->tree = tree;
    return p;
}

struct smb_pending *smb_pending_take(struct smb_flow *s, uint64_t mid, uint16_t command)
{
    for (unsigned i = 0; i < SMB_PENDING && s->pending[i]; i++)
        if (s->pending[i]->is_used && s->pending[i]->mid == mid && s->pending[i]->command == command) {
            s->pending[i]->is_used = false;
            return s->pending[i];
        }
    return NULL;
}

static struct smb_tree *find_tree(struct smb_flow *s, uint32_t id)
{
    for (unsigned i = 0; i < SMB_TREES; i++)
        if (s->trees[i].is_used && s->trees[i].id == id)
            return &s->trees[i];
    return NULL;
}

struct smb_tree *smb_tree_set(struct smb_flow *s, uint32_t id, const char *path)
{
    struct smb_tree *t = find_tree(s, id);
    if (!t)
        t = &s->trees[s->next_tree++ % SMB_TREES];
    t->is_used = true;
    t->id = id;
    (void)snprintf(t->path, sizeof t->path, "%s", path);
    return t;
}

const char *smb_tree_path(const struct smb_flow *s, uint32_t id)
{
    for (unsigned i = 0; i < SMB_TREES; i++)
        if (s->trees[i].is_used && s->trees[i].id == id)
            return s->trees[i].path;
    return NULL;
}

struct smb_file *smb_file_find(struct smb_flow *s, const uint8_t id[16])
{
    for (unsigned i = 0; i < SMB_FILES; i++)
        if (s->files[i].is_used && memcmp(s->files[i].id, id, 16) == 0) {
            s->files[i].used = ++s->clock;
            return &s->files[i];
        }
    return NULL;
}

static void forget_file(struct smb_file *f)
{
    rpc_free(f->rpc);
    memset(f, 0, sizeof *f);
}

struct smb_file *smb_file_add(struct smb_flow *s, const uint8_t id[16], uint32_t tree, const char *name)
{
    struct smb_file *f = smb_file_find(s, id), *oldest = &s->files[0];
    for (unsigned i = 0; !f && i < SMB_FILES; i++) {
        if (!s->files[i].is_used)
            f = &s->files[i];
        else if (s->files[i].used < oldest->used)
            oldest = &s->files[i];
    }
    f = f ? f : oldest;
    forget_file(f);
    f->is_used = true;
    f->used = ++s->clock;
    f->tree = tree;
    memcpy(f->id, id, 16);
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    const char *path = smb_tree_path(s, tree);
    size_t len = path ? strlen(path) : 0;
    f->is_pipe = len >= 5 && strcasecmp(path + len - 5, "\\IPC$") == 0;
    return f;
}

void smb_file_close(struct smb_flow *s, const uint8_t id[16])
{
    struct smb_file *f = smb_file_find(s, id);
    if (f)
        forget_file(f);
}

/* ---- what is told ---- */

static void status_fields(struct mmr_event *ev, uint32_t status)
{
    char text[16];
    (void)snprintf(text, sizeof text, "0x%08x", status);
    mmr_event_str(ev, "unmapped.nt_status", text);
    mmr_event_int(ev, "status_id", status == 0 ? 1 : 2);
}

static bool is_pipe_tree(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    return len >= 5 && strcasecmp(path + len - 5, "\\IPC$") == 0;
}

void smb_tell_tree(struct smb_flow *s, const char *path, uint32_t status)
{
    s->m->n_bufs = 0;
    proto_buf(s->m, "smb.share", path, strlen(path));
    if (is_pipe_tree(path))
        proto_buf(s->m, "smb.named_pipe", path, strlen(path)); /* as the rule language has it */
    proto_tx_send(s->m, s->pf, s->packet, MMR_TO_SERVER, true, "smb", NULL);
    struct mmr_event *ev = proto_event(s->m, s->pf->flow, s->packet, "smb.tree", MMR_CLASS_SMB, 99);
    mmr_event_str(ev, "unmapped.share", path);
    status_fields(ev, status);
    proto_event_send(s->m);
}

void smb_tell_open(struct smb_flow *s, const struct smb_pending *p, uint32_t status)
{
    const char *share = smb_tree_path(s, p->tree);
    bool is_pipe = is_pipe_tree(share);
    s->m->n_bufs = 0;
    proto_buf(s->m, is_pipe ? "smb.named_pipe" : "smb.filename", p->text, strlen(p->text));
    if (share)
        proto_buf(s->m, "smb.share", share, strlen(share));
    proto_tx_send(s->m, s->pf, s->packet, MMR_TO_SERVER, true, "smb", NULL);
    struct mmr_event *ev = proto_event(s->m, s->pf->flow, s->packet, "smb.open", MMR_CLASS_SMB, 1);
    mmr_event_str(ev, "file.path", p->text);
    mmr_event_str(ev, "unmapped.share", share);
    mmr_event_bool(ev, "unmapped.is_pipe", is_pipe);
    /* FILE_WRITE_DATA, FILE_APPEND_DATA, GENERIC_WRITE, GENERIC_ALL, MAXIMUM_ALLOWED is no statement */
    mmr_event_bool(ev, "unmapped.wants_write", (p->access & 0x50000006U) != 0);
    mmr_event_int(ev, "unmapped.disposition", p->disposition);
    status_fields(ev, status);
    proto_event_send(s->m);
}

void smb_tell_session(struct smb_flow *s, const struct smb_pending *p, uint32_t status)
{
    if (status == 0xc0000016) /* STATUS_MORE_PROCESSING_REQUIRED: the logon goes on */
        return;
    if (p->user[0]) {
        s->m->n_bufs = 0;
        proto_buf(s->m, "smb.ntlmssp_user", p->user, strlen(p->user));
        proto_buf(s->m, "smb.ntlmssp_domain", p->domain, strlen(p->domain));
        proto_tx_send(s->m, s->pf, s->packet, MMR_TO_SERVER, true, "smb", NULL);
    }
    struct mmr_event *ev = proto_event(s->m, s->pf->flow, s->packet, "smb.session", MMR_CLASS_AUTH, 1);
    mmr_event_str(ev, "user.name", p->user[0] ? p->user : NULL);
    mmr_event_str(ev, "user.domain", p->domain[0] ? p->domain : NULL);
    mmr_event_str(ev, "unmapped.workstation", p->host[0] ? p->host : NULL);
    status_fields(ev, status);
    proto_event_send(s->m);
}

/* What is written or read, piece by piece, as one transaction of the file: rules report it once. */
static void send_piece(struct smb_flow *s, struct smb_file *f, uint8_t dir, const uint8_t *data, size_t n)
{
    const char *share = smb_tree_path(s, f->tree);
    const char *base = strrchr(f->name, '\\');
    uint64_t next = s->pf->tx_id;
    if (!f->tx)
        f->tx = ++next;
    s->m->n_bufs = 0;
    proto_buf(s->m, "file.data", data, n);
    base = base ? base + 1 : f->name;
    if (base[0])
        proto_buf(s->m, "file.name", base, strlen(base));
    proto_buf(s->m, "smb.filename", f->name, strlen(f->name));
    if (share)
        proto_buf(s->m, "smb.share", share, strlen(share));
    s->pf->tx_id = f->tx - 1;
    proto_tx_send(s->m, s->pf, s->packet, dir, false, "smb", NULL);
    s->pf->tx_id = next;
}

static void tell_write(struct smb_flow *s, const struct smb_file *f, uint64_t offset, uint32_t length,
                       const uint8_t *data, size_t n)
{
    const char *share = smb_tree_path(s, f->tree);
    struct mmr_event *ev = proto_event(s->m, s->pf->flow, s->packet, "smb.write", MMR_CLASS_SMB, 99);
    mmr_event_str(ev, "file.path", f->name[0] ? f->name : NULL);
    mmr_event_str(ev, "unmapped.share", share);
    mmr_event_int(ev, "unmapped.offset", (int64_t)offset);
    mmr_event_int(ev, "unmapped.length", length);
    if (offset == 0)
        mmr_event_str(ev, "unmapped.file_type", proto_file_type(data, n));
    proto_event_send(s->m);
}

void smb_tell_data(struct smb_flow *s, const uint8_t id[16], uint32_t tree, uint8_t dir, uint64_t offset,
                   uint32_t length, const uint8_t *data, size_t n)
{
    struct smb_file *f = smb_file_find(s, id);
    bool is_rpc = rpc_is_pdu(data, n);
    if (!f) { /* opened before the capture began */
        f = smb_file_add(s, id, tree, "");
        f->is_pipe = f->is_pipe || is_rpc;
    }
    if (is_rpc && !f->rpc && (f->is_pipe || !smb_tree_path(s, f->tree))) {
        const char *name = f->name[0] == '\\' ? f->name + 1 : f->name;
        f->rpc = rpc_new(name[0] ? name : "?");
        f->is_pipe = true;
    }
    if (f->rpc) {
        if (!rpc_data(s->m, s->pf, f->rpc, s->packet, dir, data, n))
            rpc_gap(f->rpc, dir);
        return;
    }
    if (n > 0 && offset < PIECES_MAX)
        send_piece(s, f, dir, data, n);
    if (dir == MMR_TO_SERVER && n > 0 && (!f->is_write_told || offset == 0)) {
        f->is_write_told = true;
        tell_write(s, f, offset, length, data, n);
    }
}

void smb_read_ntlm(struct smb_pending *p, const uint8_t *blob, size_t n)
{
    static const struct {
        size_t at, to, cap;
    } rows[] = {{28, offsetof(struct smb_pending, domain), sizeof p->domain},
                {36, offsetof(struct smb_pending, user), sizeof p->user},
                {44, offsetof(struct smb_pending, host), sizeof p->host}};
    const uint8_t *msg = memmem(blob, n, "NTLMSSP\0", 8);
    if (!msg)
        return;
    size_t left = n - (size_t)(msg - blob);
    if (left < 64 || net_le32(msg + 8) != 3) /* only AUTHENTICATE names the account */
        return;
    bool wide = net_le32(msg + 60) & 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = net_le16(msg + rows[i].at), off = net_le32(msg + rows[i].at + 4);
        char *to = (char *)p + rows[i].to;
        if (off > left || len > left - off)
            continue;
        if (wide)
            proto_utf16(to, rows[i].cap, msg + off, len);
        else
            proto_text(to, rows[i].cap, msg + off, len);
    }
}

/* ---- framing ---- */

static bool is_message(const uint8_t *p, size_t n)
{
    return n >= 8 && p[0] == 0 && p[5] == 'S' && p[6] == 'M' && p[7] == 'B' && p[4] >= 0xfc;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)dir;
    if (n >= 8)
        return is_message(p, n) || (port == 139 && p[0] == 0x81 && p[1] == 0) ? PROTO_YES : PROTO_NO;
    return (port == 445 || port == 139) && n > 0 && (p[0] == 0 || p[0] == 0x81) ? PROTO_MORE : PROTO_NO;
}

static void *smb_open(struct proto *m, struct mmr_flow *flow)
{
    struct smb_flow *s = calloc(1, sizeof *s);
    if (s) {
        s->m = m;
        s->pf = flow->slot[MMR_SLOT_PROTOCOLS];
    }
    return s;
}

static void smb_close(struct proto *m, void *state)
{
    struct smb_flow *s = state;
    (void)m;
    for (unsigned i = 0; i < SMB_FILES; i++)
        if (s->files[i].is_used)
            forget_file(&s->files[i]);
    for (unsigned i = 0; i < SMB_PENDING && s->pending[i]; i++)
        free(s->pending[i]);
    free(s->dir[0].p);
    free(s->dir[1].p);
    free(s);
}

static void on_message(struct smb_flow *s, uint8_t dir, const uint8_t *p, size_t n)
{
    if (n < 4 || p[1] != 'S' || p[2] != 'M' || p[3] != 'B')
        return;
    if (p[0] == 0xfe)
        smb2_message(s, dir, p, n);
    else if (p[0] == 0xff)
        smb1_message(s, dir, p, n);
}

static bool smb_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct smb_flow *s = pf->state;
    uint8_t dir = c->dir;
    const uint8_t *p = c->data;
    size_t left = c->len;
    (void)m;
    s->packet = c->packet;
    if (c->flags & MMR_CHUNK_GAP) {
        if (s->dir[dir].want > 0 && s->dir[dir].total + c->gap < s->dir[dir].want) {
            s->dir[dir].total += c->gap; /* the hole lies inside a message, in its bulk data most likely */
        } else {
            s->dir[dir].is_synced = false;
            s->dir[dir].want = s->dir[dir].n = s->dir[dir].total = 0;
        }
    }
    while (left > 0) {
        if (s->dir[dir].want == 0 && s->dir[dir].n == 0) {
            if (!s->dir[dir].is_synced && !is_message(p, left) && !((c->flags & MMR_CHUNK_START) && left < 8))
                return true;
            s->dir[dir].is_synced = true;
            if (left >= 4) { /* a whole message is read in place */
                size_t len = (size_t)p[1] << 16 | net_be16(p + 2); /* direct TCP: 24 bits */
                if (p[0] != 0 && p[0] < 0x80) {
                    s->dir[dir].is_synced = false;
                    return true;
                }
                if (len + 4 <= left) {
                    if (p[0] == 0)
                        on_message(s, dir, p + 4, len);
                    p += 4 + len;
                    left -= 4 + len;
                    continue;
                }
            }
        }
        if (!s->dir[dir].p) {
            s->dir[dir].p = malloc(SMB_MESSAGE_MAX);
            s->dir[dir].want = s->dir[dir].n = s->dir[dir].total = 0; /* as they are: nothing could be kept without it */
        }
        if (!s->dir[dir].p)
            return false;
        uint8_t *buf = s->dir[dir].p;
        size_t want = s->dir[dir].want ? s->dir[dir].want : 4;
        size_t have = s->dir[dir].want ? s->dir[dir].total : s->dir[dir].n;
        size_t take = want - have < left ? want - have : left;
        if (s->dir[dir].n == have && have < SMB_MESSAGE_MAX) { /* no hole so far: keep it */
            size_t keep = SMB_MESSAGE_MAX - have < take ? SMB_MESSAGE_MAX - have : take;
            memcpy(buf + have, p, keep);
            s->dir[dir].n += keep;
        }
        have += take;
        p += take;
        left -= take;
        s->dir[dir].total = have;
        if (s->dir[dir].want == 0 && have == 4) {
            size_t len = (size_t)buf[1] << 16 | net_be16(buf + 2);
            s->dir[dir].want = 4 + len;
            if (buf[0] != 0 && buf[0] < 0x80) {
                s->dir[dir].is_synced = false;
                s->dir[dir].want = s->dir[dir].n = s->dir[dir].total = 0;
                return true;
            }
        }
        if (s->dir[dir].want && have >= s->dir[dir].want) {
            size_t n = s->dir[dir].n;
            s->dir[dir].want = s->dir[dir].n = s->dir[dir].total = 0;
            if (buf[0] == 0 && n > 4)
                on_message(s, dir, buf + 4, n - 4);
        }
    }
    s->packet = NULL;
    return true;
}

const struct proto_parser proto_smb = {
    .app = "smb", .ip_proto = IPPROTO_TCP, .probe = probe, .open = smb_open, .data = smb_data, .close = smb_close};
