/* needs.c - T(I) and need(t): threat objects of an incident and the effects they need, by phase. */
#include "defend/effect.h"

#include "defend/match.h"

#include <string.h>
#include <strings.h>

bool mmr_site_has(const struct mmr_site_view *s, const struct mmr_addr *a)
{
    if (!mmr_addr_is_set(a))
        return false;
    if (!s || s->n_home == 0)
        return mmr_addr_is_private(a) || mmr_addr_is_loopback(a) || mmr_addr_is_linklocal(a);
    for (uint32_t i = 0; i < s->n_home; i++)
        if (mmr_cidr_has(&s->home[i], a))
            return true;
    return false;
}

static bool starts_with_fold(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* "C:\Windows\..." and "\??\C:\Windows\...", "\Device\HarddiskVolume2\Windows\..." name the same
 * folder. */
static const char *after_volume(const char *path)
{
    if (strncmp(path, "\\??\\", 4) == 0)
        path += 4;
    if (starts_with_fold(path, "\\Device\\HarddiskVolume")) {
        const char *p = strchr(path + sizeof "\\Device\\HarddiskVolume" - 1, '\\');
        return p ? p : path;
    }
    if (((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z') && path[1] == ':')
        return path + 2;
    return path;
}

/* Folders anybody can write to: what runs from there was dropped there. */
static bool is_dropped(const char *path)
{
    static const char *const unix_dirs[] = {"/tmp/",       "/var/tmp/", "/dev/shm/", "/home/",
                                            "/root/",      "/run/",     "/var/run/", "/var/www/",
                                            "/var/spool/", "/srv/",     "/mnt/",     "/media/"};
    static const char *const windows_dirs[] = {
        "\\Users\\",          "\\Temp\\",
        "\\ProgramData\\",    "\\Windows\\Temp\\",
        "\\Windows\\Tasks\\", "\\Windows\\System32\\Tasks\\",
        "\\$Recycle.Bin\\",   "\\PerfLogs\\",
        "\\inetpub\\",        "\\Windows\\System32\\spool\\drivers\\"};
    const char *win = after_volume(path);
    if (strstr(path, "/../") || strstr(path, "\\..\\"))
        return false; /* not what it says: leave it to a person */
    for (size_t i = 0; i < sizeof unix_dirs / sizeof unix_dirs[0]; i++)
        if (strncmp(path, unix_dirs[i], strlen(unix_dirs[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof windows_dirs / sizeof windows_dirs[0]; i++)
        if (starts_with_fold(win, windows_dirs[i]))
            return true;
    return false;
}

bool mmr_path_is_system(const char *path)
{
    static const char *const unix_dirs[] = {"/bin/",   "/sbin/", "/usr/", "/lib/",  "/lib64/",
                                            "/lib32/", "/boot/", "/etc/", "/proc/", "/sys/",
                                            "/dev/",   "/opt/",  "/snap/"};
    static const char *const windows_dirs[] = {"\\Windows\\", "\\Program Files\\",
                                               "\\Program Files (x86)\\"};
    if (!path || !path[0])
        return false;
    if (strstr(path, "/../") || strstr(path, "\\..\\"))
        return true; /* refuse to guess */
    if (is_dropped(path))
        return false;
    for (size_t i = 0; i < sizeof unix_dirs / sizeof unix_dirs[0]; i++)
        if (strncmp(path, unix_dirs[i], strlen(unix_dirs[i])) == 0)
            return true;
    const char *win = after_volume(path);
    for (size_t i = 0; i < sizeof windows_dirs / sizeof windows_dirs[0]; i++)
        if (starts_with_fold(win, windows_dirs[i]))
            return true;
    return false;
}

/* ---- building ---- */

static bool same_want(const struct mmr_want *a, const struct mmr_want *b)
{
    if (a->effect != b->effect)
        return false;
    switch (a->effect) {
    case MMR_EFFECT_DENY_SERVICE:
        return mmr_addr_equal(&a->src, &b->src) && mmr_addr_equal(&a->dst, &b->dst);
    case MMR_EFFECT_DENY_DST:
        return mmr_addr_equal(&a->dst, &b->dst) && strcasecmp(a->name, b->name) == 0 &&
               (mmr_addr_equal(&a->src, &b->src) ||
                mmr_same_host(a->host, &a->host_addr, b->host, &b->host_addr));
    case MMR_EFFECT_STOP:
        return a->pid == b->pid && mmr_same_host(a->host, &a->host_addr, b->host, &b->host_addr) &&
               (!a->start_ticks || !b->start_ticks || a->start_ticks == b->start_ticks) &&
               (!a->path[0] || !b->path[0] || strcasecmp(a->path, b->path) == 0);
    case MMR_EFFECT_QUARANTINE:
    case MMR_EFFECT_DENY_EXEC:
    case MMR_EFFECT_NO_AUTOSTART:
        return strcmp(a->path, b->path) == 0 &&
               mmr_same_host(a->host, &a->host_addr, b->host, &b->host_addr);
    case MMR_EFFECT_REVOKE_LOCK:
        return strcasecmp(a->name, b->name) == 0;
    case MMR_EFFECT_UNDO_HARM:
        return true;
    default:
        return mmr_same_host(a->host, &a->host_addr, b->host, &b->host_addr) && strcmp(a->mac, b->mac) == 0;
    }
}

static struct mmr_threat_need *add(struct mmr_needs *n, enum mmr_phase phase, uint32_t evidence,
                                   const struct mmr_want *w)
{
    for (uint32_t k = 0; k < n->n; k++)
        if (same_want(&n->need[k].option[0], w)) {
            if (n->need[k].option[0].port != w->port)
                n->need[k].option[0].port =
                    0; /* several services: only a denial of all of them is enough */
            if (w->effect == MMR_EFFECT_NO_AUTOSTART && !n->need[k].option[0].name[0])
                memcpy(n->need[k].option[0].name, w->name, sizeof w->name); /* which line: one of them knows */
            return NULL;
        }
    if (n->n == MMR_NEEDS_MAX) {
        n->dropped++;
        return NULL;
    }
    struct mmr_threat_need *x = &n->need[n->n++];
    x->phase = phase;
    x->evidence = evidence;
    x->n_option = 1;
    x->option[0] = *w;
    return x;
}

static void add_option(struct mmr_threat_need *x, const struct mmr_want *w)
{
    if (x && x->n_option < MMR_NEED_OPTIONS_MAX)
        x->option[x->n_option++] = *w;
}

static struct mmr_want on_host(enum mmr_effect e, const char *host, const struct mmr_addr *addr)
{
    struct mmr_want w = {.effect = e};
    mmr_text_copy(w.host, sizeof w.host, host);
    if (addr)
        w.host_addr = *addr;
    return w;
}

static const char *host_name_of(const struct mmr_incident *i, const struct mmr_addr *a)
{
    for (uint32_t h = 0; h < i->n_hosts; h++)
        for (size_t k = 0; k < sizeof i->hosts[h].addr / sizeof i->hosts[h].addr[0]; k++)
            if (mmr_addr_is_set(&i->hosts[h].addr[k]) && mmr_addr_equal(&i->hosts[h].addr[k], a))
                return i->hosts[h].name;
    return "";
}

static const struct mmr_host_ref *host_of(const struct mmr_incident *i, const char *name)
{
    for (uint32_t h = 0; h < i->n_hosts; h++)
        if (mmr_same_host(i->hosts[h].name, NULL, name, NULL))
            return &i->hosts[h];
    return NULL;
}

/* The machine a finding is about: the endpoint's own, else the inside end of the connection. */
static void place_of(const struct mmr_incident *i, const struct mmr_finding *f,
                     const struct mmr_site_view *site, struct mmr_want *ret)
{
    if (f->host && f->host[0]) {
        mmr_text_copy(ret->host, sizeof ret->host, f->host);
        ret->host_addr = f->host_addr;
        const struct mmr_host_ref *h = host_of(i, f->host);
        if (!mmr_addr_is_set(&ret->host_addr) && h)
            ret->host_addr = h->addr[0];
        return;
    }
    if (mmr_addr_is_set(&f->host_addr))
        ret->host_addr = f->host_addr;
    else if (mmr_site_has(site, &f->src) && f->phase != MMR_PHASE_ATTEMPT_INBOUND)
        ret->host_addr = f->src;
    else if (mmr_site_has(site, &f->dst))
        ret->host_addr = f->dst;
    else
        ret->host_addr = f->src;
    mmr_text_copy(ret->host, sizeof ret->host, host_name_of(i, &ret->host_addr));
}

static bool is_file_of_process_dropped(const struct mmr_finding *f)
{
    const char *p = f->process.path;
    return p && p[0] && is_dropped(p) && !strstr(p, " (deleted)") &&
           !starts_with_fold(p, "/memfd:");
}

static bool add_process(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                        const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w = {.effect = MMR_EFFECT_STOP};
    if (f->process.pid <= 0)
        return false;
    place_of(i, f, site, &w);
    w.pid = f->process.pid;
    w.start_ticks = f->process.start_ticks;
    mmr_text_copy(w.path, sizeof w.path, f->process.path);
    mmr_text_copy(w.sha256, sizeof w.sha256, f->process.sha256);
    if (f->process.name && f->process.name[0])
        mmr_text_copy(w.name, sizeof w.name, f->process.name);
    else
        mmr_text_copy(w.name, sizeof w.name, mmr_path_base(w.path));
    (void)add(n, f->phase, ev, &w);
    if (is_file_of_process_dropped(f)) {
        struct mmr_want q = on_host(MMR_EFFECT_QUARANTINE, w.host, &w.host_addr);
        mmr_text_copy(q.path, sizeof q.path, f->process.path);
        mmr_text_copy(q.sha256, sizeof q.sha256, f->process.sha256);
        (void)add(n, f->phase, ev, &q);
    }
    return true;
}

static bool file_want(const struct mmr_incident *i, const struct mmr_finding *f,
                      const struct mmr_site_view *site, struct mmr_want *ret)
{
    if (!f->file || !f->file[0] || mmr_path_is_system(f->file) ||
        (f->autostart && strcmp(f->autostart, f->file) == 0))
        return false;
    *ret = (struct mmr_want){.effect = MMR_EFFECT_QUARANTINE};
    place_of(i, f, site, ret);
    mmr_text_copy(ret->path, sizeof ret->path, f->file);
    mmr_text_copy(ret->sha256, sizeof ret->sha256, f->sha256);
    return true;
}

/* The line of an autostart file that is meant: another finding about the same file may know it, were it only a hint. */
static const char *entry_of(const struct mmr_incident *i, const struct mmr_finding *f)
{
    for (uint32_t k = 0; !f->entry && k < i->n_evidence; k++) {
        const struct mmr_finding *g = i->evidence[k].finding;
        if (g->entry && g->autostart && strcmp(g->autostart, f->autostart) == 0 &&
            mmr_same_host(g->host, &g->host_addr, f->host, &f->host_addr))
            return g->entry;
    }
    return f->entry;
}

/* What is wrong on the machine itself: file, process, autostart. True when the cause is known. */
static bool add_cause(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                      const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w;
    bool is_known = add_process(n, i, ev, site);
    if (file_want(i, f, site, &w)) {
        (void)add(n, f->phase, ev, &w);
        is_known = true;
    }
    if (f->autostart && f->autostart[0]) {
        w = (struct mmr_want){.effect = MMR_EFFECT_NO_AUTOSTART};
        place_of(i, f, site, &w);
        mmr_text_copy(w.path, sizeof w.path, f->autostart);
        const char *entry = entry_of(i, f);
        if (entry && strlen(entry) < sizeof w.name) /* half a line might be part of another's */
            mmr_text_copy(w.name, sizeof w.name, entry);
        (void)add(n, f->phase, ev, &w);
        is_known = true;
    }
    return is_known;
}

/* Is a process on that machine named as a foothold by other evidence? Then that is the cause, with
 * its own needs. */
static bool is_cause_elsewhere(const struct mmr_incident *i, uint32_t ev,
                               const struct mmr_want *place, const struct mmr_site_view *site)
{
    for (uint32_t k = 0; k < i->n_evidence; k++) {
        const struct mmr_finding *f = i->evidence[k].finding;
        struct mmr_want p = {.effect = MMR_EFFECT_NONE};
        if (k == ev || f->process.pid <= 0 || f->potential == MMR_POTENTIAL_INFO ||
            (f->phase != MMR_PHASE_FOOTHOLD_PROCESS && f->phase != MMR_PHASE_FOOTHOLD_C2))
            continue;
        place_of(i, f, site, &p);
        if (mmr_same_host(p.host, &p.host_addr, place->host, &place->host_addr))
            return true;
    }
    return false;
}

static void add_neutralise(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                           const struct mmr_want *place, const struct mmr_site_view *site)
{
    if (is_cause_elsewhere(i, ev, place, site))
        return;
    struct mmr_want w = on_host(MMR_EFFECT_NEUTRALISE, place->host, &place->host_addr);
    memcpy(w.mac, place->mac, sizeof w.mac);
    (void)add(n, i->evidence[ev].finding->phase, ev, &w);
}

static void set_service(struct mmr_want *w, const struct mmr_finding *f)
{
    w->port = f->dst_port;
    mmr_text_copy(w->proto, sizeof w->proto, f->proto);
}

static bool is_listed(const struct mmr_addr *list, uint32_t n, const struct mmr_addr *a)
{
    for (uint32_t k = 0; k < n; k++)
        if (mmr_addr_equal(&list[k], a))
            return true;
    return false;
}

static void need_inbound(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                         const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    const bool src_in = mmr_site_has(site, &f->src), dst_in = mmr_site_has(site, &f->dst);
    struct mmr_want w = {.effect = MMR_EFFECT_DENY_SERVICE};
    /* a machine of ours made to call the attacker: the attacker, outside or inside, is the far end */
    const bool is_reversed = src_in && mmr_addr_is_set(&f->dst) &&
                             (!dst_in || (is_listed(i->attackers, i->n_attackers, &f->dst) &&
                                          !is_listed(i->attackers, i->n_attackers, &f->src)));
    if (is_reversed) {
        w.effect = MMR_EFFECT_DENY_DST;
        w.src = f->src;
        w.dst = f->dst;
        w.host_addr = f->src;
        mmr_text_copy(w.host, sizeof w.host, host_name_of(i, &f->src));
    } else {
        place_of(i, f, site, &w);
        w.src = f->src;
        w.dst = mmr_addr_is_set(&f->dst) ? f->dst : w.host_addr;
    }
    set_service(&w, f);
    struct mmr_threat_need *x = add(n, f->phase, ev, &w);
    if (x && !is_reversed && src_in) { /* an inside machine attacks: cutting it off is as good */
        struct mmr_want iso = on_host(MMR_EFFECT_ISOLATE, host_name_of(i, &f->src), &f->src);
        add_option(x, &iso);
    }
}

/* The far end of a call-back: outside if one is, else whom the connection was opened to. */
static bool far_end(const struct mmr_finding *f, const struct mmr_site_view *site,
                    struct mmr_want *w)
{
    const bool src_in = mmr_site_has(site, &f->src), dst_in = mmr_site_has(site, &f->dst);
    w->effect = MMR_EFFECT_DENY_DST;
    mmr_text_copy(w->proto, sizeof w->proto, f->proto);
    if (mmr_addr_is_set(&f->src) && !src_in && dst_in) {
        w->effect = MMR_EFFECT_DENY_SERVICE; /* it calls in: a listening back door */
        w->src = f->src;
        w->dst = f->dst;
        w->port = f->dst_port;
        return true;
    }
    if (mmr_addr_is_set(&f->dst)) {
        w->src = f->src;
        w->dst = f->dst;
        w->port = f->dst_port;
        return true;
    }
    mmr_text_copy(w->name, sizeof w->name, f->domain);
    return w->name[0] != '\0';
}

static void need_c2(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                    const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w = {0};
    place_of(i, f, site, &w);
    if (far_end(f, site, &w)) {
        struct mmr_threat_need *x = add(n, f->phase, ev, &w);
        struct mmr_want iso = on_host(MMR_EFFECT_ISOLATE, w.host, &w.host_addr);
        add_option(x, &iso);
    }
    if (!add_cause(n, i, ev, site))
        add_neutralise(n, i, ev, &w, site);
}

static void need_user(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                      const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w = {0}, q;
    struct mmr_threat_need *x = NULL;
    const bool has_file = file_want(i, f, site, &q);
    place_of(i, f, site, &w);
    if (far_end(f, site, &w)) {
        x = add(n, f->phase, ev, &w);
        if (x && has_file)
            add_option(x, &q);
    } else if (has_file) {
        (void)add(n, f->phase, ev, &q);
    } else {
        w.effect = MMR_EFFECT_NEUTRALISE; /* neither where it came from nor what it is: nothing can
                                             cover it */
        (void)add(n, f->phase, ev, &w);
    }
}

static bool has_technique(const struct mmr_finding *f, const char *id)
{
    for (uint32_t k = 0; k < f->n_attack; k++)
        if (f->attack[k] && strcmp(f->attack[k], id) == 0)
            return true;
    return false;
}

/* ARP spoofing by a known card: it speaks for addresses that are not its own, so denying its own stops nothing. */
static bool is_below_addresses(const struct mmr_finding *f)
{
    return f->src_mac && f->src_mac[0] && has_technique(f, "T1557.002");
}

/* The inside machine that reaches for others: who opened the connection, else who plays that role.
 */
static void spreader(const struct mmr_incident *i, const struct mmr_finding *f,
                     const struct mmr_site_view *site, struct mmr_want *w)
{
    if (is_below_addresses(f))
        mmr_text_copy(w->mac, sizeof w->mac, f->src_mac);
    if (w->mac[0] && !mmr_addr_is_set(&f->src)) { /* a card without an address of its own */
        mmr_text_copy(w->host, sizeof w->host, f->src_mac);
        return;
    }
    if (mmr_site_has(site, &f->src)) {
        w->host_addr = f->src;
        mmr_text_copy(w->host, sizeof w->host, host_name_of(i, &f->src));
        if (!w->host[0] && f->host && mmr_addr_equal(&f->host_addr, &f->src))
            mmr_text_copy(w->host, sizeof w->host, f->host);
        return;
    }
    for (uint32_t h = 0; h < i->n_hosts; h++)
        if (i->hosts[h].role == MMR_ROLE_SOURCE || i->hosts[h].role == MMR_ROLE_ATTACKER) {
            if (mmr_addr_is_set(&i->hosts[h].addr[0]) && !mmr_site_has(site, &i->hosts[h].addr[0]))
                continue;
            w->host_addr = i->hosts[h].addr[0];
            mmr_text_copy(w->host, sizeof w->host, i->hosts[h].name);
            return;
        }
    place_of(i, f, site, w);
}

static void need_spread(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                        const struct mmr_site_view *site)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    if (mmr_addr_is_set(&f->src) && !mmr_site_has(site, &f->src)) {
        need_inbound(n, i, ev, site); /* from outside straight to an inside machine: deny that */
        (void)add_cause(n, i, ev, site);
        return;
    }
    struct mmr_want w = {.effect = MMR_EFFECT_DENY_OTHERS};
    if (f->side == MMR_SIDE_NETWORK && !mmr_addr_is_set(&f->src) && !is_below_addresses(f) && !(f->host && f->host[0])) {
        w.effect = MMR_EFFECT_NEUTRALISE; /* seen, but not who does it: to cut off whom it is done to would do his work */
        (void)add(n, f->phase, ev, &w);
        return;
    }
    spreader(i, f, site, &w);
    struct mmr_threat_need *x = add(n, f->phase, ev, &w);
    struct mmr_want iso = on_host(MMR_EFFECT_ISOLATE, w.host, &w.host_addr);
    memcpy(iso.mac, w.mac, sizeof iso.mac);
    add_option(x, &iso);
    struct mmr_want place = {0};
    place_of(i, f, site, &place);
    const bool is_own = mmr_same_host(place.host, &place.host_addr, w.host, &w.host_addr);
    const bool is_known = add_cause(n, i, ev, site);
    if (!is_own || !is_known)
        add_neutralise(n, i, ev, &w, site);
}

static void need_account(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                         const struct mmr_site_view *site, bool only_orders)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w = {.effect = MMR_EFFECT_REVOKE_LOCK};
    place_of(i, f, site, &w);
    mmr_text_copy(w.name, sizeof w.name, f->user);
    (void)add(n, f->phase, ev, &w);
    if (!only_orders)
        return;
    /* Not needed by the standard, but it stops who uses the account: where he comes from, and with
     * what. */
    if (mmr_addr_is_set(&f->src) && !mmr_addr_is_loopback(&f->src)) {
        struct mmr_want d = {0};
        if (mmr_site_has(site, &f->src)) {
            d = on_host(MMR_EFFECT_DENY_OTHERS, host_name_of(i, &f->src), &f->src);
            (void)add(n, f->phase, ev, &d);
        } else {
            need_inbound(n, i, ev, site);
        }
    }
    (void)add_cause(n, i, ev, site);
}

static void need_impact(struct mmr_needs *n, const struct mmr_incident *i, uint32_t ev,
                        const struct mmr_site_view *site, bool only_orders)
{
    const struct mmr_finding *f = i->evidence[ev].finding;
    struct mmr_want w = {.effect = MMR_EFFECT_UNDO_HARM};
    place_of(i, f, site, &w);
    (void)add(n, f->phase, ev, &w);
    if (!only_orders)
        return;
    /* harm is done; what does it is stopped all the same */
    struct mmr_want d = {0};
    place_of(i, f, site, &d);
    const bool is_outside = (mmr_addr_is_set(&f->src) && !mmr_site_has(site, &f->src)) ||
                            (mmr_addr_is_set(&f->dst) && !mmr_site_has(site, &f->dst));
    if (is_outside && far_end(f, site, &d))
        (void)add(n, f->phase, ev, &d);
    (void)add_cause(n, i, ev, site);
}

static bool is_brute_force(const struct mmr_finding *f)
{
    for (uint32_t k = 0; k < f->n_attack; k++)
        if (f->attack[k] && strncmp(f->attack[k], "T1110", 5) == 0)
            return true;
    return false;
}

enum { REPEATED = 3 }; /* the same failure seen so often is no slip of the keyboard */

static bool may_order(const struct mmr_evidence *e)
{
    const struct mmr_finding *f = e->finding;
    if (f->potential == MMR_POTENTIAL_HIGH)
        return true;
    return (f->phase == MMR_PHASE_ACCOUNT || is_brute_force(f)) && e->count >= REPEATED;
}

/* Somebody outside tries addresses or ports of ours one after the other (T1595.001) and found nothing: information, and so nothing that
 * has to be covered (row 3 of the table). */
static bool is_scan_from_outside(const struct mmr_finding *f, const struct mmr_site_view *site)
{
    return has_technique(f, "T1595.001") && f->phase == MMR_PHASE_ATTEMPT_INBOUND && f->potential == MMR_POTENTIAL_INFO && mmr_addr_is_set(&f->src) &&
           !mmr_site_has(site, &f->src) && mmr_site_has(site, &f->dst);
}

/* Who scans from outside is shut out for a time all the same. After the needs proper: what they name already is none of these. */
static void add_extras(struct mmr_needs *n, const struct mmr_incident *i, const struct mmr_site_view *site)
{
    for (uint32_t ev = 0; ev < i->n_evidence; ev++) {
        const uint32_t before = n->n;
        if (!is_scan_from_outside(i->evidence[ev].finding, site))
            continue;
        need_inbound(n, i, ev, site);
        for (uint32_t k = before; k < n->n; k++)
            n->need[k].is_extra = true;
    }
}

void mmr_needs_of(const struct mmr_incident *i, const struct mmr_site_view *site, bool only_orders,
                  struct mmr_needs *ret)
{
    memset(ret, 0, sizeof *ret);
    for (uint32_t ev = 0; ev < i->n_evidence; ev++) {
        const struct mmr_finding *f = i->evidence[ev].finding;
        if (f->potential == MMR_POTENTIAL_INFO || (only_orders && !may_order(&i->evidence[ev])))
            continue;
        switch (f->phase) {
        case MMR_PHASE_ATTEMPT_INBOUND:
            need_inbound(ret, i, ev, site);
            break;
        case MMR_PHASE_ATTEMPT_USER:
            need_user(ret, i, ev, site);
            break;
        case MMR_PHASE_FOOTHOLD_PROCESS:
            if (!add_cause(ret, i, ev, site)) {
                struct mmr_want place = {0};
                place_of(i, f, site, &place);
                add_neutralise(ret, i, ev, &place, site);
            }
            break;
        case MMR_PHASE_FOOTHOLD_C2:
            need_c2(ret, i, ev, site);
            break;
        case MMR_PHASE_SPREAD:
            need_spread(ret, i, ev, site);
            break;
        case MMR_PHASE_ACCOUNT:
            need_account(ret, i, ev, site, only_orders);
            break;
        case MMR_PHASE_IMPACT:
            need_impact(ret, i, ev, site, only_orders);
            break;
        default:
            break;
        }
    }
    if (only_orders)
        add_extras(ret, i, site);
    if (i->evicted && ret->n)
        ret->dropped +=
            i->evicted; /* findings that were not kept may have had needs of their own */
}
