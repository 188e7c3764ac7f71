/*
 * winxml.c - the XML of a Windows event (Sysmon for Linux, WEF): only what Microsoft's event schema
 * uses. No DTD, no entities but the five and numeric ones. Bytes come from outside; trust none.
 */
#include "winrec.h"

#include <string.h>

enum { DEPTH_MAX = 12 };
enum section { IN_NONE = 0, IN_SYSTEM, IN_EVENT_DATA, IN_USER_DATA, IN_RENDERING };

struct xml {
    char *p, *end;
};

static char *put_utf8(char *o, uint32_t c)
{
    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xc0 | c >> 6);
        *o++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *o++ = (char)(0xe0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    } else {
        *o++ = (char)(0xf0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 0x3f));
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
        *o++ = (char)(0x80 | (c & 0x3f));
    }
    return o;
}

/* The entity at p (a '&'); its length, or 0. It never decodes to more bytes than it has. */
static size_t entity(const char *p, const char *end, uint32_t *ret)
{
    static const struct { const char *text; uint32_t n, c; } named[] = {
        {"&lt;", 4, '<'}, {"&gt;", 4, '>'}, {"&amp;", 5, '&'}, {"&quot;", 6, '"'}, {"&apos;", 6, '\''},
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if ((size_t)(end - p) >= named[i].n && memcmp(p, named[i].text, named[i].n) == 0) {
            *ret = named[i].c;
            return named[i].n;
        }
    if (end - p < 4 || p[1] != '#')
        return 0;
    uint32_t base = p[2] == 'x' ? 16 : 10, v = 0;
    const char *q = p + (base == 16 ? 3 : 2), *first = q;
    for (; q < end && *q != ';' && q - first < 8; q++) {
        int c = *q | 0x20;
        int d = *q >= '0' && *q <= '9' ? *q - '0' : base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return 0;
        v = v * base + (uint32_t)d;
    }
    if (q == first || q >= end || *q != ';')
        return 0;
    *ret = v == 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0xfffd : v;
    return (size_t)(q + 1 - p);
}

static struct mmr_slice decode(char *p, char *end)
{
    char *amp = memchr(p, '&', (size_t)(end - p)), *o = amp;
    if (!amp)
        return (struct mmr_slice){p, (uint32_t)(end - p), 0};
    for (char *q = amp; q < end;) {
        uint32_t c;
        size_t n = *q == '&' ? entity(q, end, &c) : 0;
        if (n) {
            o = put_utf8(o, c);
            q += n;
        } else {
            *o++ = *q++;
        }
    }
    return (struct mmr_slice){p, (uint32_t)(o - p), 0};
}

/* Value of attribute `name` between p and end, both quotes known; absent: p NULL */
static struct mmr_slice attribute(char *p, char *end, const char *name)
{
    size_t n = strlen(name);
    while (p < end) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
            p++;
        char *key = p;
        while (p < end && *p != '=' && *p != ' ')
            p++;
        size_t key_len = (size_t)(p - key);
        if (p >= end || *p != '=' || ++p >= end || (*p != '"' && *p != '\''))
            break;
        char q = *p++;
        char *close = memchr(p, q, (size_t)(end - p));
        if (!close)
            break;
        if (key_len == n && memcmp(key, name, n) == 0)
            return decode(p, close);
        p = close + 1;
    }
    return (struct mmr_slice){0};
}

static void system_element(struct mmr_winrec *r, struct mmr_slice el, char *a, char *a_end, struct mmr_slice text)
{
    if (mmr_slice_is(el, "Provider"))
        r->provider = attribute(a, a_end, "Name");
    else if (mmr_slice_is(el, "TimeCreated"))
        r->system_time = attribute(a, a_end, "SystemTime");
    else if (mmr_slice_is(el, "Security"))
        r->user_sid = attribute(a, a_end, "UserID");
    else if (mmr_slice_is(el, "EventID"))
        r->event_id = text;
    else if (mmr_slice_is(el, "Channel"))
        r->channel = text;
    else if (mmr_slice_is(el, "Computer"))
        r->computer = text;
    else if (mmr_slice_is(el, "Keywords"))
        r->keywords = text;
    else if (mmr_slice_is(el, "Level"))
        r->level = text;
    else if (mmr_slice_is(el, "Task"))
        r->task = text;
    else if (mmr_slice_is(el, "EventRecordID"))
        r->record_id = text;
}

static void leaf(struct mmr_winrec *r, enum section in, struct mmr_slice el, char *a, char *a_end, struct mmr_slice text)
{
    if (in == IN_SYSTEM) {
        system_element(r, el, a, a_end, text);
    } else if (in == IN_EVENT_DATA) {
        struct mmr_slice name = attribute(a, a_end, "Name");
        if (!name.n && mmr_slice_is(el, "Data"))
            name = el;
        mmr_winrec_add(r, name, text);
    } else if (in == IN_USER_DATA) {
        mmr_winrec_add(r, el, text);
    } else if (in == IN_RENDERING && mmr_slice_is(el, "Message")) {
        r->message = text;
    }
}

int mmr_winrec_from_xml(char *text, size_t len, struct mmr_winrec *ret, struct mmr_error *err)
{
    struct xml x = {text, text + len};
    enum section in = IN_NONE;
    int depth = 0, section_depth = 0;
    bool has_system = false;
    struct { struct mmr_slice name; char *a, *a_end, *text; bool has_child; } open[DEPTH_MAX];

    mmr_winrec_clear(ret);
    while (x.p < x.end) {
        char *lt = memchr(x.p, '<', (size_t)(x.end - x.p));
        char *gt = lt ? memchr(lt, '>', (size_t)(x.end - lt)) : NULL;
        if (!gt)
            break; /* cut off: what came before is used */
        x.p = gt + 1;
        if (lt[1] == '?' || lt[1] == '!')
            continue;
        if (lt[1] == '/') {
            struct mmr_slice name = {lt + 2, (uint32_t)(gt - lt - 2), 0};
            if (depth == 0 || open[depth - 1].name.n != name.n || memcmp(open[depth - 1].name.p, name.p, name.n) != 0)
                return mmr_fail(err, MMR_EBADMSG, "event XML at byte %zu: an end tag that closes nothing", (size_t)(lt - text));
            depth--;
            if (!open[depth].has_child && in != IN_NONE)
                leaf(ret, in, open[depth].name, open[depth].a, open[depth].a_end, decode(open[depth].text, lt));
            if (in != IN_NONE && depth == section_depth) {
                has_system |= in == IN_SYSTEM;
                in = IN_NONE;
            }
            if (depth == 0)
                break; /* </Event> */
            continue;
        }
        char *p = lt + 1, *tag_end = gt;
        bool is_empty = tag_end > p && tag_end[-1] == '/';
        if (is_empty)
            tag_end--;
        while (p < tag_end && *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')
            p++;
        struct mmr_slice name = {lt + 1, (uint32_t)(p - lt - 1), 0};
        if (depth == 0 && !mmr_slice_is(name, "Event"))
            return mmr_fail(err, MMR_EBADMSG, "event XML starts with <%.*s>, expected <Event>",
                            (int)(name.n > 32 ? 32 : name.n), name.p);
        if (depth)
            open[depth - 1].has_child = true;
        if (is_empty) {
            if (in != IN_NONE)
                leaf(ret, in, name, p, tag_end, (struct mmr_slice){p, 0, 0});
            continue;
        }
        if (depth == DEPTH_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "event XML is nested deeper than %d", DEPTH_MAX);
        if (depth == 1 && in == IN_NONE) {
            in = mmr_slice_is(name, "System") ? IN_SYSTEM
                 : mmr_slice_is(name, "EventData") ? IN_EVENT_DATA
                 : mmr_slice_is(name, "UserData") ? IN_USER_DATA
                 : mmr_slice_is(name, "RenderingInfo") ? IN_RENDERING : IN_NONE;
            section_depth = depth;
        }
        open[depth].name = name;
        open[depth].a = p;
        open[depth].a_end = tag_end;
        open[depth].text = gt + 1;
        open[depth++].has_child = false;
    }
    if (!has_system || !ret->event_id.n)
        return mmr_fail(err, MMR_EBADMSG, "event XML without a complete System part");
    return 0;
}
