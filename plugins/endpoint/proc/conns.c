/* conns.c - connections and their owners. Opened ones carry their process from the kernel; accepted ones belong to
 * whoever listens on the port, learned from listen() as it happens and from the socket table for those that came before.
 * Datagrams have no connection: told is the first one lately of a process to a remote end. */
#include "proc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "procfs.h"

enum { LISTENERS = 2048, CONNS = 8192, DUMP_MAX = 4096, REFRESH_NS = 2000000000 };

struct listener {
    uint32_t netns, pid;
    int64_t start_ticks;
    uint16_t port, is_used;
    uint32_t reserved;
};
struct conn { /* only where the kernel does not tell: found by looking */
    uint64_t cookie;
    struct mmr_rec_tuple t;
    uint32_t pid, uid;
    int64_t start_ticks;
    uint64_t bytes_out, bytes_in;
    uint8_t is_used, is_seen, is_incoming, reserved[5];
};
struct mmr_conns {
    struct mmr_proc *p;
    struct mmr_diag *diag;
    struct listener listeners[LISTENERS]; /* open addressing; full: the oldest of a run is overwritten */
    int64_t refreshed_ns;
    struct conn *conns; /* CONNS, made at the first look */
    struct mmr_diag_sock *dump;
    struct mmr_holder *holders;
    size_t n_dump;
    uint64_t want_inode;
    struct mmr_rec_tuple *want_tuple;
};

int mmr_conns_new(struct mmr_proc *p, struct mmr_conns **ret, struct mmr_error *err)
{
    struct mmr_conns *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "connections: out of memory");
    c->p = p;
    c->dump = calloc(DUMP_MAX, sizeof *c->dump);
    c->holders = calloc(DUMP_MAX, sizeof *c->holders);
    if (!c->dump || !c->holders) {
        mmr_conns_free(c);
        return mmr_fail(err, MMR_ENOMEM, "connections: out of memory");
    }
    struct mmr_error why = {.struct_size = sizeof why};
    if (mmr_diag_open(&c->diag, &why) != 0) /* owners of older listeners stay unknown then */
        p->host->log(p->host->impl, MMR_LOG_WARN, why.text);
    *ret = c;
    return 0;
}

void mmr_conns_free(struct mmr_conns *c)
{
    if (!c)
        return;
    mmr_diag_close(c->diag);
    free(c->conns);
    free(c->dump);
    free(c->holders);
    free(c);
}

/* ---- who listens ---- */

static struct listener *listener_at(struct mmr_conns *c, uint32_t netns, uint16_t port, bool is_new)
{
    uint32_t h = (port * 2654435761u ^ netns * 40503u) >> 8;
    for (uint32_t i = 0; i < 16; i++) {
        struct listener *l = &c->listeners[(h + i) % LISTENERS];
        if (l->is_used && l->netns == netns && l->port == port)
            return l;
        if (!l->is_used)
            return is_new ? l : NULL;
    }
    return is_new ? &c->listeners[h % LISTENERS] : NULL;
}

static void set_listener(struct mmr_conns *c, uint32_t netns, uint16_t port, uint32_t pid, int64_t ticks)
{
    struct listener *l = listener_at(c, netns, port, true);
    struct mmr_pentry *e = mmr_ptable_load(c->p->table, pid, ticks);
    *l = (struct listener){.netns = netns, .pid = pid, .start_ticks = e ? e->start_ticks : ticks, .port = port, .is_used = 1};
    if (e)
        e->listens++;
}

static void take_socket(void *ctx, const struct mmr_diag_sock *s)
{
    struct mmr_conns *c = ctx;
    if (c->n_dump < DUMP_MAX)
        c->dump[c->n_dump++] = *s;
}

static int by_inode(const void *a, const void *b)
{
    const struct mmr_holder *x = a, *y = b;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static uint32_t holder_of(const struct mmr_conns *c, size_t n, uint64_t inode)
{
    const struct mmr_holder key = {.inode = inode};
    const struct mmr_holder *h = bsearch(&key, c->holders, n, sizeof key, by_inode);
    return h ? h->pid : 0;
}

static void learn_listeners(struct mmr_conns *c)
{
    c->n_dump = 0;
    if (!c->diag || mmr_diag_dump(c->diag, MMR_DIAG_LISTEN, false, take_socket, c, NULL) != 0)
        return;
    for (size_t i = 0; i < c->n_dump; i++)
        c->holders[i] = (struct mmr_holder){.inode = c->dump[i].inode};
    qsort(c->holders, c->n_dump, sizeof *c->holders, by_inode);
    mmr_procfs_holders(c->holders, c->n_dump);
    for (size_t i = 0; i < c->n_dump; i++) {
        uint32_t pid = holder_of(c, c->n_dump, c->dump[i].inode);
        if (pid)
            set_listener(c, (uint32_t)c->p->netns, c->dump[i].local_port, pid, 0);
    }
}

void mmr_conns_refresh_listeners(struct mmr_conns *c)
{
    int64_t now = c->p->host->now_ns(c->p->host->impl, MMR_CLOCK_MONOTONIC);
    if (c->refreshed_ns && now - c->refreshed_ns < REFRESH_NS)
        return;
    c->refreshed_ns = now ? now : 1;
    learn_listeners(c);
}

bool mmr_conns_is_listening(struct mmr_conns *c, uint16_t port)
{
    return listener_at(c, (uint32_t)c->p->netns, port, false) != NULL;
}

static const struct mmr_pentry *owner_of_port(struct mmr_conns *c, uint32_t netns, uint16_t port)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        const struct listener *l = listener_at(c, netns, port, false);
        const struct mmr_pentry *e = l ? mmr_ptable_load(c->p->table, l->pid, l->start_ticks) : NULL;
        if (e && !e->is_exited)
            return e;
        if (netns != (uint32_t)c->p->netns)
            return e;
        mmr_conns_refresh_listeners(c);
    }
    return NULL;
}

/* ---- telling ---- */

static void tell(struct mmr_conns *c, bool is_open, const struct mmr_rec_conn *r, const struct mmr_pentry *e, int64_t wall_ns)
{
    struct mmr_proc *p = c->p;
    bool is_incoming = r->flags & MMR_CONN_INCOMING;
    mmr_proc_begin(p, is_open ? "conn.open" : "conn.close", MMR_CLASS_NETWORK, is_open ? 1 : 2, wall_ns, 1);
    mmr_proc_put_ends(p, &r->t, is_incoming);
    mmr_event_int(&p->ev, "connection_info.direction_id", is_incoming ? 1 : 2);
    if (is_open) /* as Sysmon says it: rules ask for it by this name */
        mmr_event_str(&p->ev, "unmapped.Initiated", is_incoming ? "false" : "true");
    if (is_open)
        mmr_event_int(&p->ev, "status_id", r->flags & MMR_CONN_FAILED ? 2 : r->flags & MMR_CONN_PENDING || r->t.protocol == MMR_PROTO_UDP ? 0 : 1);
    if (!is_open) { /* counted from src, who opened it */
        mmr_event_int(&p->ev, "traffic.bytes_out", (int64_t)(is_incoming ? r->bytes_in : r->bytes_out));
        mmr_event_int(&p->ev, "traffic.bytes_in", (int64_t)(is_incoming ? r->bytes_out : r->bytes_in));
    }
    if (e) {
        mmr_proc_put_process(p, e);
        mmr_event_str(&p->ev, "process.cmd_line", e->cmd_line);
        if (is_open)
            mmr_proc_put_parent(p, e);
    } else if (r->flags & MMR_CONN_OWNED) { /* gone before anybody could ask */
        char name[17];
        memcpy(name, r->comm, 16);
        name[16] = '\0';
        mmr_event_int(&p->ev, "process.pid", r->h.pid);
        mmr_event_int(&p->ev, "process.start_ticks", (int64_t)(r->h.start_ns / MMR_PROC_TICK_NS));
        mmr_event_str(&p->ev, "process.name", name);
        mmr_proc_put_user(p, r->uid);
    }
    mmr_proc_send(p);
}

/* A datagram from a service's port to a client's. */
static bool is_answer(const struct mmr_rec_tuple *t)
{
    return t->local_port < MMR_PORT_EPHEMERAL && t->remote_port >= MMR_PORT_EPHEMERAL;
}

void mmr_conns_record(struct mmr_conns *c, const struct mmr_rec_conn *r, int64_t wall_ns)
{
    int64_t ticks = (int64_t)(r->h.start_ns / MMR_PROC_TICK_NS);
    if (r->h.type == MMR_REC_LISTEN) {
        set_listener(c, r->netns, r->t.local_port, r->h.pid, ticks);
        return;
    }
    struct mmr_rec_conn made = *r;
    const struct mmr_pentry *e = NULL;
    if (r->h.type == MMR_REC_UDP) {
        if (is_answer(&r->t))
            made.flags |= MMR_CONN_INCOMING;
        e = r->flags & MMR_CONN_OWNED ? mmr_ptable_load(c->p->table, r->h.pid, ticks) : NULL;
        tell(c, true, &made, e, wall_ns);
        return;
    }
    if (r->flags & MMR_CONN_OWNED)
        e = mmr_ptable_load(c->p->table, r->h.pid, ticks);
    else if (!(r->flags & MMR_CONN_KNOWN) && listener_at(c, r->netns, r->t.local_port, false))
        made.flags |= MMR_CONN_INCOMING;
    if (made.flags & MMR_CONN_INCOMING)
        e = owner_of_port(c, r->netns, r->t.local_port);
    tell(c, r->h.type == MMR_REC_OPEN, &made, e, wall_ns);
}

/* ---- looking, where the kernel does not tell ---- */

static struct conn *conn_at(struct mmr_conns *c, uint64_t cookie)
{
    struct conn *first_free = NULL;
    uint64_t h = cookie * 0x9e3779b97f4a7c15u >> 40;
    for (uint32_t i = 0; i < 64; i++) {
        struct conn *k = &c->conns[(h + i) % CONNS];
        if (k->is_used && k->cookie == cookie)
            return k;
        if (!k->is_used && !first_free)
            first_free = k;
    }
    return first_free;
}

static void tell_found(struct mmr_conns *c, const struct conn *k, bool is_open)
{
    if (!is_open && k->t.protocol == MMR_PROTO_UDP)
        return; /* nobody hangs up */
    struct mmr_rec_conn r = {.t = k->t, .flags = k->is_incoming ? MMR_CONN_INCOMING : 0, .uid = k->uid,
                             .bytes_out = k->bytes_out, .bytes_in = k->bytes_in};
    const struct mmr_pentry *e = k->pid ? mmr_ptable_load(c->p->table, k->pid, k->start_ticks) : NULL;
    tell(c, is_open, &r, e, c->p->host->now_ns(c->p->host->impl, MMR_CLOCK_WALL));
}

static bool dump_live(struct mmr_conns *c)
{
    c->n_dump = 0;
    return mmr_diag_dump(c->diag, MMR_DIAG_LIVE & ~(1u << 2), true, take_socket, c, NULL) == 0 &&
           mmr_diag_dump(c->diag, MMR_DIAG_UDP, false, take_socket, c, NULL) == 0;
}

/* The inodes of connections not known yet, in c->holders. */
static size_t list_new(struct mmr_conns *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_dump; i++) {
        const struct conn *k = conn_at(c, c->dump[i].cookie);
        if (k && !k->is_used && c->dump[i].inode)
            c->holders[n++] = (struct mmr_holder){.inode = c->dump[i].inode};
    }
    return n;
}

void mmr_conns_look(struct mmr_conns *c, int64_t since)
{
    size_t n_new = 0;
    if (!c->conns)
        c->conns = calloc(CONNS, sizeof *c->conns);
    if (!c->conns || !c->diag)
        return;
    if (!dump_live(c))
        return;
    if (list_new(c)) { /* who opened them shows from who listens: look at that first, then at the connections again */
        learn_listeners(c);
        if (!dump_live(c))
            return;
        n_new = list_new(c);
    }
    for (size_t i = 0; i < CONNS; i++)
        c->conns[i].is_seen = 0;
    if (n_new) {
        qsort(c->holders, n_new, sizeof *c->holders, by_inode);
        mmr_procfs_holders(c->holders, n_new);
    }
    for (size_t i = 0; i < c->n_dump; i++) {
        const struct mmr_diag_sock *s = &c->dump[i];
        struct conn *k = conn_at(c, s->cookie);
        if (!k) {
            mmr_proc_lose(c->p, 1);
            continue;
        }
        bool is_new = !k->is_used;
        if (is_new) {
            *k = (struct conn){.cookie = s->cookie, .uid = s->uid, .is_used = 1, .pid = holder_of(c, n_new, s->inode),
                               .t = {.family = s->family, .local_port = s->local_port, .remote_port = s->remote_port, .protocol = s->protocol}};
            memcpy(k->t.local, s->local, 16);
            memcpy(k->t.remote, s->remote, 16);
            const struct mmr_pentry *e = k->pid ? mmr_ptable_load(c->p->table, k->pid, 0) : NULL;
            k->start_ticks = e ? e->start_ticks : 0;
        }
        k->is_seen = 1;
        k->bytes_out = s->bytes_out;
        k->bytes_in = s->bytes_in;
        if (is_new) {
            k->is_incoming = s->protocol == MMR_PROTO_UDP ? is_answer(&k->t) : mmr_conns_is_listening(c, s->local_port);
            if (k->start_ticks >= since)
                tell_found(c, k, true);
        }
    }
    for (size_t i = 0; i < CONNS; i++)
        if (c->conns[i].is_used && !c->conns[i].is_seen) {
            tell_found(c, &c->conns[i], false);
            c->conns[i].is_used = 0;
        }
}

void mmr_conns_forget(struct mmr_conns *c)
{
    free(c->conns);
    c->conns = NULL;
}

static void match_inode(void *ctx, const struct mmr_diag_sock *s)
{
    struct mmr_conns *c = ctx;
    if (s->inode != c->want_inode || !c->want_tuple)
        return;
    *c->want_tuple = (struct mmr_rec_tuple){.family = s->family, .local_port = s->local_port, .remote_port = s->remote_port};
    memcpy(c->want_tuple->local, s->local, 16);
    memcpy(c->want_tuple->remote, s->remote, 16);
    c->want_tuple = NULL;
}

bool mmr_conns_by_inode(struct mmr_conns *c, uint64_t inode, struct mmr_rec_tuple *ret)
{
    c->want_inode = inode;
    c->want_tuple = ret;
    return c->diag && mmr_diag_dump(c->diag, MMR_DIAG_LIVE, false, match_inode, c, NULL) == 0 && !c->want_tuple;
}
