/* nets.c - see nets.h. Texts come from rule files and configuration: bounded depth, every number checked. */
#include <rules/nets.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 12, RANGES_MAX = 1 << 20, VARS_MAX = 256 };

/* Ports are handled as addresses whose last two bytes count: one list algebra serves both. */
struct list {
    struct addr_range *r;
    uint32_t n, cap;
};
struct vars {
    struct arena *arena;
    struct str_map names; /* -> index + 1 */
    const char *value[VARS_MAX];
    uint32_t n;
    struct str_map sets[2]; /* text -> index + 1 into made[]; addresses, ports */
    const void **made;
    uint32_t n_made, cap_made;
};

static uint64_t half(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* As memcmp; two compares instead of a call: this runs for every rule that comes into question. */
static int cmp(const struct mmr_addr *a, const struct mmr_addr *b)
{
    uint64_t x = half(a->b), y = half(b->b);
    if (x == y) {
        x = half(a->b + 8);
        y = half(b->b + 8);
    }
    return x < y ? -1 : x > y;
}

static bool next(struct mmr_addr *a) /* false: it was the last address */
{
    for (int i = 15; i >= 0; i--)
        if (++a->b[i])
            return true;
    return false;
}
static void prev(struct mmr_addr *a)
{
    for (int i = 15; i >= 0; i--)
        if (a->b[i]--)
            return;
}

static bool push(struct list *l, const struct mmr_addr *lo, const struct mmr_addr *hi)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 16;
        struct addr_range *r = cap > RANGES_MAX ? NULL : realloc(l->r, cap * sizeof *r);
        if (!r)
            return false;
        l->r = r;
        l->cap = cap;
    }
    l->r[l->n++] = (struct addr_range){*lo, *hi};
    return true;
}

static int by_lo(const void *a, const void *b)
{
    const struct addr_range *x = a, *y = b;
    int c = cmp(&x->lo, &y->lo);
    return c ? c : cmp(&x->hi, &y->hi);
}

static void normalize(struct list *l)
{
    uint32_t k = 0;
    if (!l->n)
        return;
    qsort(l->r, l->n, sizeof *l->r, by_lo);
    for (uint32_t i = 1; i < l->n; i++) {
        struct mmr_addr after = l->r[k].hi;
        if (!next(&after) || cmp(&l->r[i].lo, &after) <= 0) {
            if (cmp(&l->r[i].hi, &l->r[k].hi) > 0)
                l->r[k].hi = l->r[i].hi;
        } else {
            l->r[++k] = l->r[i];
        }
    }
    l->n = k + 1;
}

static const struct mmr_addr all_lo = {{0}};
static const struct mmr_addr all_hi = {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}};

/* out = a minus b; both normalized */
static bool subtract(const struct list *a, const struct list *b, struct list *out)
{
    uint32_t j = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        struct mmr_addr lo = a->r[i].lo;
        bool is_done = false;
        while (j < b->n && cmp(&b->r[j].hi, &lo) < 0)
            j++;
        for (uint32_t k = j; k < b->n && cmp(&b->r[k].lo, &a->r[i].hi) <= 0; k++) {
            if (cmp(&b->r[k].lo, &lo) > 0) {
                struct mmr_addr hi = b->r[k].lo;
                prev(&hi);
                if (!push(out, &lo, &hi))
                    return false;
            }
            lo = b->r[k].hi;
            if (!next(&lo) || cmp(&lo, &a->r[i].hi) > 0) {
                is_done = true;
                break;
            }
        }
        if (!is_done && !push(out, &lo, &a->r[i].hi))
            return false;
    }
    return true;
}

static bool parse_ip(const char *s, size_t len, struct mmr_addr *ret, bool *ret_v4)
{
    char buf[INET6_ADDRSTRLEN];
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, s, len);
    buf[len] = 0;
    *ret = (struct mmr_addr){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
    *ret_v4 = inet_pton(AF_INET, buf, ret->b + 12) == 1;
    return *ret_v4 || inet_pton(AF_INET6, buf, ret->b) == 1;
}

static bool parse_uint(const char *s, size_t len, unsigned max, unsigned *ret)
{
    unsigned v = 0;
    if (!len || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    *ret = v;
    return v <= max;
}

/* IPv4 addresses stand among the others (::ffff:0:0/96): a network such as ::/0 means none of them. */
static bool push_v6(struct list *l, const struct mmr_addr *lo, const struct mmr_addr *hi, bool is_v4)
{
    struct mmr_addr first = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, last = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 255, 255, 255, 255}};
    if (is_v4 || cmp(lo, &first) >= 0 || cmp(hi, &last) <= 0)
        return push(l, lo, hi);
    prev(&first);
    (void)next(&last);
    return push(l, lo, &first) && push(l, &last, hi);
}

static int add_addr(struct list *l, const char *s, size_t len, struct mmr_error *err)
{
    struct mmr_addr lo, hi;
    bool is_v4, is_v4b;
    const char *slash = memchr(s, '/', len), *dash = memchr(s, '-', len);
    size_t head = slash ? (size_t)(slash - s) : dash ? (size_t)(dash - s) : len;
    if (!parse_ip(s, head, &lo, &is_v4))
        return mmr_fail(err, MMR_EINVAL, "'%.*s' is no address", (int)(len > 60 ? 60 : len), s);
    hi = lo;
    if (slash) {
        unsigned bits, tail = (unsigned)(len - head - 1);
        struct in_addr mask;
        char buf[16];
        if (is_v4 && tail >= 7 && tail < sizeof buf) { /* 10.0.0.0/255.0.0.0 */
            memcpy(buf, slash + 1, tail);
            buf[tail] = 0;
            if (inet_pton(AF_INET, buf, &mask) != 1)
                return mmr_fail(err, MMR_EINVAL, "'%.*s' has no valid netmask", (int)(len > 60 ? 60 : len), s);
            bits = (unsigned)__builtin_popcount(mask.s_addr);
            uint32_t m = ntohl(mask.s_addr);
            if (bits && m != UINT32_MAX << (32 - bits))
                return mmr_fail(err, MMR_EINVAL, "'%.*s': the netmask has holes", (int)(len > 60 ? 60 : len), s);
        } else if (!parse_uint(slash + 1, tail, is_v4 ? 32 : 128, &bits)) {
            return mmr_fail(err, MMR_EINVAL, "'%.*s': the prefix must be 0 to %d", (int)(len > 60 ? 60 : len), s,
                            is_v4 ? 32 : 128);
        }
        if (is_v4)
            bits += 96;
        for (unsigned i = bits; i < 128; i++) {
            lo.b[i / 8] &= (uint8_t)~(0x80u >> i % 8);
            hi.b[i / 8] |= (uint8_t)(0x80u >> i % 8);
        }
    } else if (dash) {
        if (!parse_ip(dash + 1, len - head - 1, &hi, &is_v4b) || is_v4 != is_v4b || cmp(&lo, &hi) > 0)
            return mmr_fail(err, MMR_EINVAL, "'%.*s' is no range of addresses", (int)(len > 60 ? 60 : len), s);
    }
    return push_v6(l, &lo, &hi, is_v4) ? 0 : mmr_fail(err, MMR_ENOMEM, "address list: out of memory");
}

static int add_port(struct list *l, const char *s, size_t len, struct mmr_error *err)
{
    unsigned lo, hi;
    const char *colon = memchr(s, ':', len);
    size_t head = colon ? (size_t)(colon - s) : len;
    bool is_ok = true;
    if (colon && head == 0)
        lo = 0;
    else
        is_ok = parse_uint(s, head, 65535, &lo);
    if (is_ok && !colon)
        hi = lo;
    else if (is_ok && head + 1 == len)
        hi = 65535;
    else
        is_ok = is_ok && parse_uint(colon + 1, len - head - 1, 65535, &hi);
    if (!is_ok || lo > hi)
        return mmr_fail(err, MMR_EINVAL, "'%.*s' is no port or range", (int)(len > 60 ? 60 : len), s);
    struct mmr_addr a = {.b[14] = (uint8_t)(lo >> 8), .b[15] = (uint8_t)lo};
    struct mmr_addr b = {.b[14] = (uint8_t)(hi >> 8), .b[15] = (uint8_t)hi};
    return push(l, &a, &b) ? 0 : mmr_fail(err, MMR_ENOMEM, "port list: out of memory");
}

static void trim(const char **s, size_t *len)
{
    while (*len && isspace((unsigned char)**s)) {
        (*s)++;
        (*len)--;
    }
    while (*len && isspace((unsigned char)(*s)[*len - 1]))
        (*len)--;
}

/* out += the addresses (or ports) the text means */
static int eval(struct vars *v, bool is_port, const char *s, size_t len, int depth, struct list *out,
                struct mmr_error *err)
{
    struct list yes = {0}, no = {0}, res = {0};
    struct mmr_addr top = all_hi;
    int rc = 0;
    if (is_port)
        top = (struct mmr_addr){.b[14] = 255, .b[15] = 255};
    trim(&s, &len);
    if (depth > DEPTH_MAX)
        return mmr_fail(err, MMR_EINVAL, "lists or variables nest more than %d deep", DEPTH_MAX);
    if (!len)
        return mmr_fail(err, MMR_EINVAL, "an %s is missing", is_port ? "port" : "address");
    if (s[0] == '!') {
        rc = eval(v, is_port, s + 1, len - 1, depth + 1, &no, err);
        if (rc == 0)
            rc = push(&yes, &all_lo, &top) ? 0 : mmr_fail(err, MMR_ENOMEM, "list: out of memory");
    } else if (s[0] == '[') {
        if (s[len - 1] != ']')
            return mmr_fail(err, MMR_EINVAL, "a list lacks its ']'");
        bool has_yes = false;
        size_t start = 1;
        int open = 0;
        for (size_t i = 1; rc == 0 && i < len; i++) {
            if (s[i] == '[')
                open++;
            if (s[i] == ']' && i + 1 < len)
                open--;
            if ((s[i] == ',' && open == 0) || i + 1 == len) {
                const char *item = s + start;
                size_t n = i - start;
                trim(&item, &n);
                start = i + 1;
                if (!n)
                    continue; /* "[a,]" is met in the wild */
                if (item[0] == '!') {
                    rc = eval(v, is_port, item + 1, n - 1, depth + 1, &no, err);
                } else {
                    has_yes = true;
                    rc = eval(v, is_port, item, n, depth + 1, &yes, err);
                }
            }
        }
        if (rc == 0 && open != 0)
            rc = mmr_fail(err, MMR_EINVAL, "brackets of a list do not match");
        if (rc == 0 && !has_yes && !push(&yes, &all_lo, &top))
            rc = mmr_fail(err, MMR_ENOMEM, "list: out of memory");
    } else if (s[0] == '$') {
        uint32_t i = mmr_str_map_get(&v->names, s + 1, len - 1);
        if (!i)
            return mmr_fail(err, MMR_EINVAL, "variable '%.*s' is not defined; add it under 'vars'",
                            (int)(len > 60 ? 60 : len), s);
        return eval(v, is_port, v->value[i - 1], strlen(v->value[i - 1]), depth + 1, out, err);
    } else if (len == 3 && strncasecmp(s, "any", 3) == 0) {
        return push(out, &all_lo, &top) ? 0 : mmr_fail(err, MMR_ENOMEM, "list: out of memory");
    } else {
        return is_port ? add_port(out, s, len, err) : add_addr(out, s, len, err);
    }
    if (rc == 0) {
        normalize(&yes);
        normalize(&no);
        bool is_ok = subtract(&yes, &no, &res);
        for (uint32_t i = 0; is_ok && i < res.n; i++)
            is_ok = push(out, &res.r[i].lo, &res.r[i].hi);
        if (!is_ok)
            rc = mmr_fail(err, MMR_ENOMEM, "list: out of memory");
    }
    free(yes.r);
    free(no.r);
    free(res.r);
    return rc;
}

static bool is_all(const struct list *l, bool is_port)
{
    static const uint8_t port_hi[2] = {255, 255};
    return l->n == 1 && cmp(&l->r[0].lo, &all_lo) == 0 &&
           (is_port ? memcmp(l->r[0].hi.b + 14, port_hi, 2) == 0 : cmp(&l->r[0].hi, &all_hi) == 0);
}

static const void *freeze(struct vars *v, const struct list *l, bool is_port)
{
    if (is_port) {
        struct port_set *s = mmr_arena_take(v->arena, sizeof *s + l->n * sizeof s->r[0]);
        if (!s)
            return NULL;
        s->n = l->n;
        s->is_any = is_all(l, true);
        for (uint32_t i = 0; i < l->n; i++)
            s->r[i] = (struct port_range){(uint16_t)(l->r[i].lo.b[14] << 8 | l->r[i].lo.b[15]),
                                          (uint16_t)(l->r[i].hi.b[14] << 8 | l->r[i].hi.b[15])};
        return s;
    }
    struct addr_set *s = mmr_arena_take(v->arena, sizeof *s + l->n * sizeof s->r[0]);
    if (!s)
        return NULL;
    s->n = l->n;
    s->is_any = is_all(l, false);
    if (l->n)
        memcpy(s->r, l->r, l->n * sizeof s->r[0]);
    return s;
}

static int get(struct vars *v, bool is_port, const char *text, size_t len, const void **ret, struct mmr_error *err)
{
    struct list l = {0};
    uint32_t at = mmr_str_map_get(&v->sets[is_port], text, len);
    if (at) {
        *ret = v->made[at - 1];
        return 0;
    }
    int rc = eval(v, is_port, text, len, 0, &l, err);
    if (rc == 0) {
        normalize(&l);
        if (!l.n)
            rc = mmr_fail(err, MMR_EINVAL, "'%.*s' leaves no %s at all", (int)(len > 60 ? 60 : len), text,
                          is_port ? "port" : "address");
    }
    if (rc == 0 && v->n_made == v->cap_made) {
        uint32_t cap = v->cap_made ? v->cap_made * 2 : 64;
        const void **made = realloc(v->made, cap * sizeof *made);
        if (made) {
            v->made = made;
            v->cap_made = cap;
        } else {
            rc = mmr_fail(err, MMR_ENOMEM, "list: out of memory");
        }
    }
    if (rc == 0) {
        const void *s = freeze(v, &l, is_port);
        if (s && mmr_str_map_put(&v->sets[is_port], v->arena, text, len, v->n_made + 1)) {
            v->made[v->n_made++] = s;
            *ret = s;
        } else {
            rc = mmr_fail(err, MMR_ENOMEM, "list: out of memory");
        }
    }
    free(l.r);
    return rc;
}

int mmr_vars_addrs(struct vars *v, const char *text, size_t len, const struct addr_set **ret, struct mmr_error *err)
{
    const void *p = NULL;
    int rc = get(v, false, text, len, &p, err);
    if (rc == 0)
        *ret = p;
    return rc;
}

int mmr_vars_ports(struct vars *v, const char *text, size_t len, const struct port_set **ret, struct mmr_error *err)
{
    const void *p = NULL;
    int rc = get(v, true, text, len, &p, err);
    if (rc == 0)
        *ret = p;
    return rc;
}

bool mmr_addr_set_has(const struct addr_set *s, const struct mmr_addr *a)
{
    if (s->is_any)
        return true;
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) { /* the last range that starts at or before a */
        uint32_t mid = lo + (hi - lo) / 2;
        if (cmp(&s->r[mid].lo, a) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && cmp(a, &s->r[lo - 1].hi) <= 0;
}

bool mmr_addr_set_is_narrow(const struct addr_set *s)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (half(s->r[i].lo.b) != half(s->r[i].hi.b))
            return false;
        uint64_t width = half(s->r[i].hi.b + 8) - half(s->r[i].lo.b + 8);
        if (width >= ADDR_NARROW || (total += width + 1) >= ADDR_NARROW)
            return false;
    }
    return true;
}

int mmr_addr_set_unite(struct arena *a, const struct addr_set *const *sets, uint32_t n, const struct addr_set **ret)
{
    struct list l = {0};
    struct addr_set *u = NULL;
    bool is_ok = true;
    for (uint32_t i = 0; is_ok && i < n; i++)
        for (uint32_t k = 0; is_ok && k < sets[i]->n; k++)
            is_ok = push(&l, &sets[i]->r[k].lo, &sets[i]->r[k].hi);
    if (is_ok) {
        normalize(&l);
        u = mmr_arena_take(a, sizeof *u + l.n * sizeof u->r[0]);
    }
    if (u) {
        u->n = l.n;
        if (l.n)
            memcpy(u->r, l.r, l.n * sizeof u->r[0]);
        *ret = u;
    }
    free(l.r);
    return u ? 0 : MMR_ENOMEM;
}

bool mmr_port_set_has(const struct port_set *s, uint16_t port)
{
    if (s->is_any)
        return true;
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->r[mid].lo <= port)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && port <= s->r[lo - 1].hi;
}

static int set_var(struct vars *v, const char *name, const char *value, struct mmr_error *err)
{
    const char *copy = mmr_arena_str(v->arena, value, strlen(value));
    uint32_t i = mmr_str_map_get(&v->names, name, strlen(name));
    if (copy && i) {
        v->value[i - 1] = copy;
        return 0;
    }
    if (v->n == VARS_MAX)
        return mmr_fail(err, MMR_ECONFIG, "more than %d variables", VARS_MAX);
    if (!copy || !mmr_str_map_put(&v->names, v->arena, name, strlen(name), v->n + 1))
        return mmr_fail(err, MMR_ENOMEM, "variable '%s': out of memory", name);
    v->value[v->n++] = copy;
    return 0;
}

/* The variables rule packs of the field expect, with the usual values. */
static const struct mmr_rule_var usual[] = {
    {"HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"}, {"EXTERNAL_NET", "!$HOME_NET"},
    {"HTTP_SERVERS", "$HOME_NET"}, {"SMTP_SERVERS", "$HOME_NET"}, {"SQL_SERVERS", "$HOME_NET"},
    {"DNS_SERVERS", "$HOME_NET"}, {"TELNET_SERVERS", "$HOME_NET"}, {"SSH_SERVERS", "$HOME_NET"},
    {"FTP_SERVERS", "$HOME_NET"}, {"SIP_SERVERS", "$HOME_NET"}, {"AIM_SERVERS", "$EXTERNAL_NET"},
    {"DC_SERVERS", "$HOME_NET"}, {"DNP3_SERVER", "$HOME_NET"}, {"DNP3_CLIENT", "$HOME_NET"},
    {"MODBUS_CLIENT", "$HOME_NET"}, {"MODBUS_SERVER", "$HOME_NET"}, {"ENIP_CLIENT", "$HOME_NET"},
    {"ENIP_SERVER", "$HOME_NET"}, {"HTTP_PORTS", "80"}, {"SHELLCODE_PORTS", "!80"}, {"ORACLE_PORTS", "1521"},
    {"SSH_PORTS", "22"}, {"DNP3_PORTS", "20000"}, {"MODBUS_PORTS", "502"}, {"FTP_PORTS", "21"},
    {"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"}, {"GENEVE_PORTS", "6081"}, {"VXLAN_PORTS", "4789"},
    {"TEREDO_PORTS", "3544"}, {"SIP_PORTS", "[5060,5061]"},
};

int mmr_vars_new(const struct mmr_rules_config *cfg, struct arena *a, struct vars **ret, struct mmr_error *err)
{
    struct vars *v = calloc(1, sizeof *v);
    int rc = v ? 0 : mmr_fail(err, MMR_ENOMEM, "rule variables: out of memory");
    if (v)
        v->arena = a;
    for (size_t i = 0; rc == 0 && i < sizeof usual / sizeof usual[0]; i++)
        rc = set_var(v, usual[i].name, usual[i].value, err);
    const char *ext = cfg ? cfg->external_net : NULL;
    if (rc == 0 && cfg && cfg->home_net) {
        rc = set_var(v, "HOME_NET", cfg->home_net, err);
        if (!ext && strcmp(cfg->home_net, "any") == 0)
            ext = "any"; /* "not any" would silence every rule */
    }
    if (rc == 0 && ext)
        rc = set_var(v, "EXTERNAL_NET", ext, err);
    for (size_t i = 0; rc == 0 && cfg && i < cfg->n_vars; i++)
        rc = set_var(v, cfg->vars[i].name, cfg->vars[i].value, err);
    if (rc == 0) { /* a wrong list must not pass for "no rule matched" */
        const struct addr_set *s;
        struct mmr_error why = {.struct_size = sizeof why};
        static const char *const nets[] = {"$HOME_NET", "$EXTERNAL_NET"};
        for (size_t i = 0; rc == 0 && i < 2; i++)
            if (mmr_vars_addrs(v, nets[i], strlen(nets[i]), &s, &why) < 0)
                rc = mmr_fail(err, MMR_ECONFIG, "variable %s: %.180s", nets[i] + 1, why.text);
    }
    if (rc < 0) {
        mmr_vars_free(v);
        return rc;
    }
    *ret = v;
    return 0;
}

void mmr_vars_free(struct vars *v)
{
    if (!v)
        return;
    mmr_str_map_done(&v->names);
    mmr_str_map_done(&v->sets[0]);
    mmr_str_map_done(&v->sets[1]);
    free(v->made);
    free(v);
}
