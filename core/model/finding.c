/*
 * finding.c - from an event's fields to a checked struct, in one pass and one allocation. The bytes come
 * from plugins and, through them, from packets and logs: every text is cut, and what is not UTF-8 or is
 * a control character below space becomes '?', so that later steps and JSON need not care.
 */
#include "model/finding.h"

#include "model/record.h"
#include "util/id.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024, CMD_MAX = 4096, ANSWERS_MAX = 16 * MMR_ADDR_TEXT_MAX };

enum dest {
    D_NONE = 0,
    /* texts kept in the block, in the order of text_offset[] */
    D_KIND, D_NODE, D_PLUGIN, D_INSTANCE, D_RULE, D_TITLE, D_WHAT, D_PROTO, D_HOST, D_DOMAIN, D_URL, D_USER,
    D_SESSION, D_PNAME, D_PPATH, D_PCMD, D_PUID, D_PPNAME, D_PPPATH, D_PPCMD, D_PPUID, D_PSHA, D_FILE, D_SHA,
    D_AUTOSTART, D_INPUT, D_SRCNAME, D_ENTRY, D_SRCMAC, D_STORIES, /* the last: no event carries it */
    D_TEXTS, /* how many, plus one */
    /* second choices for the texts above, and values that are no text */
    D_USER2, D_APNAME, D_APPATH, D_APCMD, D_APUID, D_SNI, D_URLHOST, D_APID,
    D_ID, D_SIDE, D_SEQ, D_RECEIVED, D_OFFSET, D_PHASE, D_DIRECTION, D_POTENTIAL, D_ATTACK, D_HARM, D_EXERCISE,
    D_INDEX, D_CLASS, D_SEVERITY, D_TIME, D_SRC, D_DST, D_SPORT, D_DPORT, D_HOSTIP, D_PID, D_PPID, D_START, D_ANSWERS,
    D_TIMES,
    D_COUNT
};

#define FIELD(key, dest) {(key), sizeof(key) - 1, (dest)}
static const struct {
    const char *key;
    uint16_t len;
    uint16_t dest;
} fields[] = { /* sorted by length, then by key: found by bisection, and bytes are compared only between equal lengths */
    FIELD("time", D_TIME), FIELD("count", D_TIMES), FIELD("answers", D_ANSWERS), FIELD("message", D_WHAT),
    FIELD("tls.sni", D_SNI), FIELD("class_uid", D_CLASS), FIELD("device.ip", D_HOSTIP), FIELD("file.path", D_FILE),
    FIELD("mamori.id", D_ID), FIELD("user.name", D_USER), FIELD("mamori.seq", D_SEQ), FIELD("mamori.harm", D_HARM),
    FIELD("mamori.kind", D_KIND), FIELD("mamori.node", D_NODE), FIELD("mamori.rule", D_RULE),
    FIELD("mamori.side", D_SIDE), FIELD("process.pid", D_PID), FIELD("process.uid", D_PUID),
    FIELD("session.uid", D_SESSION), FIELD("severity_id", D_SEVERITY), FIELD("mamori.index", D_INDEX),
    FIELD("mamori.input", D_INPUT), FIELD("mamori.phase", D_PHASE), FIELD("process.name", D_PNAME),
    FIELD("mamori.attack", D_ATTACK), FIELD("mamori.offset", D_OFFSET), FIELD("mamori.plugin", D_PLUGIN),
    FIELD("query.hostname", D_DOMAIN), FIELD("actor.user.name", D_USER2), FIELD("device.hostname", D_HOST),
    FIELD("dst_endpoint.ip", D_DST), FIELD("mamori.exercise", D_EXERCISE), FIELD("mamori.instance", D_INSTANCE),
    FIELD("mamori.received", D_RECEIVED), FIELD("src_endpoint.ip", D_SRC), FIELD("mamori.autostart", D_AUTOSTART),
    FIELD("mamori.direction", D_DIRECTION), FIELD("mamori.potential", D_POTENTIAL), FIELD("process.cmd_line", D_PCMD),
    FIELD("src_endpoint.mac", D_SRCMAC),
    FIELD("actor.process.pid", D_APID), FIELD("actor.process.uid", D_APUID), FIELD("dst_endpoint.port", D_DPORT),
    FIELD("process.file.path", D_PPATH), FIELD("src_endpoint.port", D_SPORT), FIELD("actor.process.name", D_APNAME),
    FIELD("file.hashes.sha256", D_SHA), FIELD("finding_info.title", D_TITLE), FIELD("process.start_ticks", D_START),
    FIELD("http_request.url.path", D_URL), FIELD("src_endpoint.hostname", D_SRCNAME),
    FIELD("actor.process.cmd_line", D_APCMD), FIELD("mamori.autostart_entry", D_ENTRY),
    FIELD("actor.process.file.path", D_APPATH), FIELD("http_request.url.hostname", D_URLHOST),
    FIELD("process.file.hashes.sha256", D_PSHA), FIELD("process.parent_process.pid", D_PPID),
    FIELD("process.parent_process.uid", D_PPUID), FIELD("process.parent_process.name", D_PPNAME),
    FIELD("connection_info.protocol_name", D_PROTO), FIELD("process.parent_process.cmd_line", D_PPCMD),
    FIELD("process.parent_process.file.path", D_PPPATH),
};
#undef FIELD

#define AT(m) offsetof(struct mmr_finding, m)
static const size_t text_offset[D_TEXTS] = {
    [D_KIND] = AT(kind), [D_NODE] = AT(node), [D_PLUGIN] = AT(plugin), [D_INSTANCE] = AT(instance),
    [D_RULE] = AT(rule), [D_TITLE] = AT(title), [D_WHAT] = AT(what), [D_PROTO] = AT(proto),
    [D_HOST] = AT(host), [D_DOMAIN] = AT(domain), [D_URL] = AT(url), [D_USER] = AT(user),
    [D_SESSION] = AT(session), [D_PNAME] = AT(process.name), [D_PPATH] = AT(process.path),
    [D_PCMD] = AT(process.cmd_line), [D_PUID] = AT(process.uid), [D_PPNAME] = AT(process.parent_name),
    [D_PPPATH] = AT(process.parent_path), [D_PPCMD] = AT(process.parent_cmd_line),
    [D_PPUID] = AT(process.parent_uid), [D_PSHA] = AT(process.sha256), [D_FILE] = AT(file),
    [D_SHA] = AT(sha256), [D_AUTOSTART] = AT(autostart), [D_INPUT] = AT(input),
    [D_SRCNAME] = AT(src_name), [D_ENTRY] = AT(entry), [D_SRCMAC] = AT(src_mac), [D_STORIES] = AT(stories),
};

static enum dest dest_of(const struct mmr_field *f)
{
    size_t lo = 0, hi = sizeof fields / sizeof fields[0];
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = fields[mid].len < f->key_len ? -1 : fields[mid].len > f->key_len;
        if (c == 0)
            c = memcmp(fields[mid].key, f->key, f->key_len);
        if (c == 0)
            return (enum dest)fields[mid].dest;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return D_NONE;
}

static size_t utf8_at(const uint8_t *p, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (p[0] < 0x80)
        return 1;
    if (n == 0 || p[0] >= 0xf8 || n > left)
        return 0;
    uint32_t c = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

/* Eight bytes that are all printable ASCII? Each lane's top bit answers for its byte (no lane carries into the next). */
static bool is_plain(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t v;
    memcpy(&v, p, 8);
    if (v & tops)
        return false;
    const uint64_t not_low = v + ones * 0x60, is_del = v + ones; /* >= 0x20 sets the top bit; so does 0x7f + 1 */
    return (not_low & ~is_del & tops) == tops;
}

static void copy_clean(char *to, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (len - i >= 8 && is_plain(p + i)) {
            memcpy(to + i, p + i, 8);
            i += 8;
            continue;
        }
        size_t n = utf8_at(p + i, len - i);
        if (n == 0 || (n == 1 && (p[i] == 0x7f || (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n')))) {
            to[i++] = '?';
            continue;
        }
        memcpy(to + i, p + i, n);
        i += n;
    }
    to[len] = '\0';
}

static size_t kept(const struct mmr_value *v, enum dest d)
{
    size_t cap = d == D_PCMD || d == D_PPCMD || d == D_WHAT ? CMD_MAX : TEXT_MAX;
    if (v->len <= cap)
        return v->len;
    while (cap > 0 && (v->p[cap] & 0xc0) == 0x80)
        cap--; /* not in the middle of a character */
    return cap;
}

static bool text_is(const struct mmr_value *v)
{
    return v && v->type == MMR_VAL_STR && v->len > 0;
}

static int64_t number(const struct mmr_value *v)
{
    if (!v)
        return 0;
    if (v->type == MMR_VAL_INT || v->type == MMR_VAL_BOOL)
        return v->n.i;
    if (v->type != MMR_VAL_STR || v->len == 0 || v->len > 18)
        return 0;
    int64_t n = 0; /* logs carry numbers as text */
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->p[i] < '0' || v->p[i] > '9')
            return 0;
        n = n * 10 + (v->p[i] - '0');
    }
    return n;
}

static void address(const struct mmr_value *v, struct mmr_addr *ret)
{
    if (text_is(v))
        (void)mmr_addr_parse((const char *)v->p, v->len, ret);
}

static bool truth(const struct mmr_value *v)
{
    return v && (v->type == MMR_VAL_BOOL || v->type == MMR_VAL_INT) && v->n.i != 0;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_id(const struct mmr_value *v, uint8_t id[16])
{
    if (v && v->type == MMR_VAL_BIN && v->len == 16) {
        memcpy(id, v->p, 16);
        return true;
    }
    if (!text_is(v) || v->len != 36)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (at == 8 || at == 13 || at == 18 || at == 23)
            at++;
        int hi = hex(v->p[at]), lo = hex(v->p[at + 1]);
        if (hi < 0 || lo < 0)
            return false;
        id[i] = (uint8_t)(hi << 4 | lo);
        at += 2;
    }
    return true;
}

/* Recorded input: the same input at the same place gives the same id, whatever came between. */
static void make_id(struct mmr_finding *f)
{
    struct {
        uint64_t part[6];
    } key = {{f->index, f->input ? mmr_hash64(f->input, strlen(f->input), 1) : 0,
              mmr_hash64(f->kind, strlen(f->kind), 2), f->rule ? mmr_hash64(f->rule, strlen(f->rule), 3) : 0,
              (uint64_t)f->time_ns, 0}};
    if (!f->input) {
        key.part[1] = f->node ? mmr_hash64(f->node, strlen(f->node), 4) : 0;
        key.part[5] = f->seq ^ (f->instance ? mmr_hash64(f->instance, strlen(f->instance), 5) : 0);
    }
    mmr_uuid_of(&key, sizeof key, f->id);
}

static size_t answers_len(const struct mmr_value *v)
{
    struct mmr_array_it it = {0};
    const char *p;
    size_t len, sum = 0;
    struct mmr_addr a;
    if (!v || v->type != MMR_VAL_ARRAY)
        return 0;
    while (mmr_value_next(v, &it, &p, &len) && sum < ANSWERS_MAX)
        if (mmr_addr_parse(p, len, &a))
            sum += len + 1;
    return sum;
}

static char *put_answers(const struct mmr_value *v, char *at, size_t sum)
{
    struct mmr_array_it it = {0};
    const char *p;
    size_t len;
    struct mmr_addr a;
    char *end = at + sum;
    while (mmr_value_next(v, &it, &p, &len))
        if (mmr_addr_parse(p, len, &a) && at + len + 1 <= end) {
            memcpy(at, p, len);
            at[len] = ' ';
            at += len + 1;
        }
    at[-1] = '\0';
    return at;
}

static const char *basename_of(const char *path)
{
    const char *last = path;
    for (const char *p = path; *p; p++)
        if ((*p == '/' || *p == '\\') && p[1])
            last = p + 1;
    return last;
}

static void numbers(struct mmr_finding *f, const struct mmr_value *const v[D_COUNT])
{
    f->class_uid = (uint32_t)number(v[D_CLASS]);
    f->severity_id = (uint32_t)number(v[D_SEVERITY]);
    if (f->severity_id > 6)
        f->severity_id = 0;
    int64_t times = number(v[D_TIMES]);
    f->count = times < 1 ? 1 : times > MMR_FINDING_COUNT_MAX ? MMR_FINDING_COUNT_MAX : (uint32_t)times;
    f->time_ns = number(v[D_TIME]);
    f->received_ns = number(v[D_RECEIVED]);
    f->offset_ns = number(v[D_OFFSET]);
    f->seq = (uint64_t)number(v[D_SEQ]);
    f->index = (uint64_t)number(v[D_INDEX]);
    f->is_harm = truth(v[D_HARM]);
    f->is_exercise = truth(v[D_EXERCISE]);
    f->src_port = (uint16_t)(number(v[D_SPORT]) & 0xffff);
    f->dst_port = (uint16_t)(number(v[D_DPORT]) & 0xffff);
    f->process.pid = number(v[D_PID] ? v[D_PID] : v[D_APID]);
    f->process.parent_pid = number(v[D_PPID]);
    f->process.start_ticks = number(v[D_START]);
    address(v[D_SRC], &f->src);
    address(v[D_DST], &f->dst);
    address(v[D_HOSTIP], &f->host_addr);
    if (v[D_SIDE] && (mmr_value_is(v[D_SIDE], "network") || number(v[D_SIDE]) == MMR_SIDE_NETWORK))
        f->side = MMR_SIDE_NETWORK;
    else if (v[D_SIDE])
        f->side = MMR_SIDE_ENDPOINT;
    if (text_is(v[D_PHASE]))
        (void)mmr_phase_parse((const char *)v[D_PHASE]->p, v[D_PHASE]->len, &f->phase);
    for (int d = MMR_DIR_INBOUND; d <= MMR_DIR_LOCAL; d++)
        if (v[D_DIRECTION] && mmr_value_is(v[D_DIRECTION], mmr_direction_name((enum mmr_direction)d)))
            f->direction = (enum mmr_direction)d;
    for (int p = MMR_POTENTIAL_INFO; p <= MMR_POTENTIAL_HIGH; p++)
        if (v[D_POTENTIAL] && mmr_value_is(v[D_POTENTIAL], mmr_potential_name((enum mmr_potential)p)))
            f->potential = (enum mmr_potential)p;
}

int mmr_finding_from_event(const struct mmr_event_view *ev, struct mmr_finding **ret, struct mmr_error *err)
{
    const struct mmr_value *v[D_COUNT] = {0};
    for (uint32_t i = 0; i < ev->n; i++)
        v[dest_of(&ev->f[i])] = &ev->f[i].v;
    static const struct {
        enum dest to, from;
    } second[] = {{D_USER, D_USER2}, {D_PPATH, D_APPATH}, {D_PNAME, D_APNAME}, {D_PCMD, D_APCMD},
                  {D_PUID, D_APUID}, {D_DOMAIN, D_SNI}, {D_DOMAIN, D_URLHOST}};
    bool has_process = v[D_PID] || text_is(v[D_PPATH]) || text_is(v[D_PUID]);
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++)
        if (!text_is(v[second[i].to]) && !(has_process && second[i].from >= D_APNAME && second[i].from <= D_APUID))
            v[second[i].to] = v[second[i].from];
    if (has_process)
        v[D_APID] = NULL;

    if (!text_is(v[D_KIND]))
        return mmr_fail(err, MMR_EBADMSG, "event: mamori.kind is missing or no text");
    if (!v[D_TIME] || v[D_TIME]->type != MMR_VAL_INT)
        return mmr_fail(err, MMR_EBADMSG, "event '%.*s': time is missing or no integer (ns UTC)",
                        (int)(v[D_KIND]->len > 60 ? 60 : v[D_KIND]->len), (const char *)v[D_KIND]->p);

    size_t sum = sizeof(struct mmr_finding), len[D_TEXTS] = {0};
    for (int d = D_NONE + 1; d < D_TEXTS; d++)
        if (text_is(v[d])) {
            len[d] = kept(v[d], (enum dest)d);
            sum += len[d] + 1;
        }
    const char *attack[MMR_FINDING_ATTACKS_MAX];
    size_t attack_len[MMR_FINDING_ATTACKS_MAX], n_attack = 0, alen;
    struct mmr_array_it it = {0};
    const char *ap;
    if (v[D_ATTACK] && v[D_ATTACK]->type == MMR_VAL_ARRAY)
        while (n_attack < MMR_FINDING_ATTACKS_MAX && mmr_value_next(v[D_ATTACK], &it, &ap, &alen))
            if (alen > 0 && alen < 16) {
                attack[n_attack] = ap;
                attack_len[n_attack++] = alen;
                sum += alen + 1;
            }
    size_t n_answers = answers_len(v[D_ANSWERS]);
    sum += n_answers;
    char record[MMR_RECORD_MAX];
    size_t n_record = mmr_value_is(v[D_KIND], "finding") ? mmr_finding_record(ev, record) : 0;
    sum += n_record ? n_record + 1 : 0;

    struct mmr_finding *f = calloc(1, sum);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "finding: out of memory (%zu bytes)", sum);
    char *at = (char *)(f + 1);
    for (int d = D_NONE + 1; d < D_TEXTS; d++)
        if (len[d]) {
            copy_clean(at, v[d]->p, len[d]);
            memcpy((char *)f + text_offset[d], &at, sizeof at);
            at += len[d] + 1;
        }
    for (size_t i = 0; i < n_attack; i++) {
        copy_clean(at, (const uint8_t *)attack[i], attack_len[i]);
        f->attack[f->n_attack++] = at;
        at += attack_len[i] + 1;
    }
    if (n_answers) {
        f->answers = at;
        at = put_answers(v[D_ANSWERS], at, n_answers);
    }
    if (n_record) {
        copy_clean(at, (const uint8_t *)record, n_record);
        f->record = at;
    }
    numbers(f, v);
    if (!f->process.name && f->process.path)
        f->process.name = basename_of(f->process.path);
    if (!f->process.parent_name && f->process.parent_path)
        f->process.parent_name = basename_of(f->process.parent_path);
    if (!read_id(v[D_ID], f->id))
        make_id(f);
    *ret = f;
    return 0;
}

struct mmr_finding *mmr_finding_copy(const struct mmr_finding *f)
{
    size_t sum = sizeof *f + (f->answers ? strlen(f->answers) + 1 : 0);
    const char *p;
    for (int d = D_NONE + 1; d < D_TEXTS; d++) {
        memcpy(&p, (const char *)f + text_offset[d], sizeof p);
        sum += p ? strlen(p) + 1 : 0;
    }
    for (uint32_t i = 0; i < f->n_attack; i++)
        sum += strlen(f->attack[i]) + 1;
    struct mmr_finding *c = malloc(sum);
    if (!c)
        return NULL;
    *c = *f;
    c->record = NULL;
    char *at = (char *)(c + 1);
    for (int d = D_NONE + 1; d < D_TEXTS + 1; d++) {
        if (d == D_TEXTS)
            p = f->answers;
        else
            memcpy(&p, (const char *)f + text_offset[d], sizeof p);
        if (!p)
            continue;
        size_t n = strlen(p) + 1;
        memcpy(at, p, n);
        memcpy((char *)c + (d == D_TEXTS ? AT(answers) : text_offset[d]), &at, sizeof at);
        at += n;
    }
    for (uint32_t i = 0; i < f->n_attack; i++) {
        size_t n = strlen(f->attack[i]) + 1;
        memcpy(at, f->attack[i], n);
        c->attack[i] = at;
        at += n;
    }
    return c;
}
