/* winrec.c - finds the parts of a Windows event in the JSON shapes its senders use. */
#include "winrec.h"

#include <string.h>

void mmr_winrec_clear(struct mmr_winrec *r)
{
    memset(r, 0, offsetof(struct mmr_winrec, f));
}

void mmr_winrec_add(struct mmr_winrec *r, struct mmr_slice name, struct mmr_slice val)
{
    if (r->n < MMR_WINREC_FIELDS_MAX && name.p && val.p)
        r->f[r->n++] = (struct mmr_winrec_field){name, val};
}

struct mmr_slice mmr_winrec_get(const struct mmr_winrec *r, const char *name)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->f[i].name.n == n && mmr_slice_is_nocase(r->f[i].name, name))
            return r->f[i].val;
    return (struct mmr_slice){0};
}

static struct mmr_slice key_of(const struct mmr_js_node *nd)
{
    return (struct mmr_slice){nd->key, nd->key_len, 0};
}

static struct mmr_slice scalar(const struct mmr_js_doc *d, int32_t at)
{
    if (at < 0 || d->node[at].type == MMR_JS_NULL || d->node[at].type >= MMR_JS_OBJECT)
        return (struct mmr_slice){0};
    return (struct mmr_slice){d->node[at].val, d->node[at].val_len, 0};
}

/* A scalar, or an object whose text is under "#text" (XML made JSON). */
static struct mmr_slice text_of(const struct mmr_js_doc *d, int32_t at)
{
    if (at >= 0 && d->node[at].type == MMR_JS_OBJECT) {
        int32_t t = mmr_js_get(d, at, "#text");
        if (t < 0)
            t = mmr_js_get(d, at, "Value");
        return scalar(d, t);
    }
    return scalar(d, at);
}

/* Attribute `name` of an element: under "#attributes", as "@Name", or plainly. */
static struct mmr_slice attr(const struct mmr_js_doc *d, int32_t at, const char *name, const char *at_name)
{
    int32_t a = mmr_js_get(d, at, "#attributes");
    int32_t v = mmr_js_get(d, a >= 0 ? a : at, name);
    if (v < 0)
        v = mmr_js_get(d, at, at_name);
    return scalar(d, v);
}

/* All strings of a container as one text, one a line, in the record's scratch. */
static struct mmr_slice join(struct mmr_winrec *r, const struct mmr_js_doc *d, int32_t at)
{
    char *start = r->scratch + r->scratch_used;
    for (int32_t i = at + 1; i < d->node[at].end; i++) {
        struct mmr_slice s = scalar(d, i);
        if (!s.p || (d->node[i].parent >= 0 && d->node[i].key && d->node[i].key[0] == '@'))
            continue;
        if (MMR_WINREC_SCRATCH - r->scratch_used < s.n + 1)
            break;
        if (r->scratch + r->scratch_used != start)
            r->scratch[r->scratch_used++] = '\n';
        memcpy(r->scratch + r->scratch_used, s.p, s.n);
        r->scratch_used += s.n;
    }
    return (struct mmr_slice){start, (uint32_t)(r->scratch + r->scratch_used - start), 0};
}

/* Members of EventData: Name: value, or Data: [{"@Name"/"#attributes", "#text"}, ..]. */
static void add_data(struct mmr_winrec *r, const struct mmr_js_doc *d, int32_t at)
{
    if (at < 0)
        return;
    bool is_list = d->node[at].type == MMR_JS_ARRAY;
    if (!is_list && d->node[at].type != MMR_JS_OBJECT)
        return;
    for (int32_t i = at + 1; i < d->node[at].end; i = d->node[i].end) {
        const struct mmr_js_node *nd = &d->node[i];
        struct mmr_slice name = is_list ? attr(d, i, "Name", "@Name") : key_of(nd);
        if (nd->type < MMR_JS_OBJECT) {
            if (is_list)
                name = MMR_SLICE("Data");
            mmr_winrec_add(r, name, scalar(d, i));
            continue;
        }
        if (is_list) {
            mmr_winrec_add(r, name, text_of(d, i));
        } else if (mmr_slice_is(name, "Data") && nd->type == MMR_JS_ARRAY && nd->end > i + 1 &&
                   d->node[i + 1].type == MMR_JS_OBJECT) {
            add_data(r, d, i);
        } else if (mmr_slice_is(name, "Data") && attr(d, i, "Name", "@Name").n) {
            mmr_winrec_add(r, attr(d, i, "Name", "@Name"), text_of(d, i));
        } else if (!mmr_slice_is(name, "#attributes")) {
            mmr_winrec_add(r, name, join(r, d, i));
        }
    }
}

/* UserData has one element of the provider's own that holds the values. */
static void add_user_data(struct mmr_winrec *r, const struct mmr_js_doc *d, int32_t at)
{
    if (at < 0 || d->node[at].type != MMR_JS_OBJECT)
        return;
    for (int32_t i = at + 1; i < d->node[at].end; i = d->node[i].end) {
        if (d->node[i].type == MMR_JS_OBJECT)
            add_data(r, d, i);
        else
            mmr_winrec_add(r, key_of(&d->node[i]), scalar(d, i));
    }
}

static int from_event(const struct mmr_js_doc *d, int32_t ev, int32_t sys, struct mmr_winrec *r)
{
    int32_t t = mmr_js_get(d, sys, "TimeCreated");
    r->provider = attr(d, mmr_js_get(d, sys, "Provider"), "Name", "@Name");
    r->event_id = text_of(d, mmr_js_get(d, sys, "EventID"));
    r->channel = scalar(d, mmr_js_get(d, sys, "Channel"));
    r->computer = scalar(d, mmr_js_get(d, sys, "Computer"));
    r->keywords = scalar(d, mmr_js_get(d, sys, "Keywords"));
    r->level = scalar(d, mmr_js_get(d, sys, "Level"));
    r->task = scalar(d, mmr_js_get(d, sys, "Task"));
    r->record_id = scalar(d, mmr_js_get(d, sys, "EventRecordID"));
    r->user_sid = attr(d, mmr_js_get(d, sys, "Security"), "UserID", "@UserID");
    r->system_time = scalar(d, t);
    if (!r->system_time.p)
        r->system_time = attr(d, t, "SystemTime", "@SystemTime");
    int32_t ri = mmr_js_get(d, ev, "RenderingInfo");
    r->message = text_of(d, mmr_js_get(d, ri, "Message"));
    add_data(r, d, mmr_js_get(d, ev, "EventData"));
    add_user_data(r, d, mmr_js_get(d, ev, "UserData"));
    return 0;
}

static int from_ecs(const struct mmr_js_doc *d, int32_t root, int32_t w, struct mmr_winrec *r)
{
    int32_t host = mmr_js_get(d, root, "host");
    int32_t ev = mmr_js_get(d, root, "event");
    r->provider = scalar(d, mmr_js_get(d, w, "provider_name"));
    if (!r->provider.p)
        r->provider = scalar(d, mmr_js_get(d, ev, "provider"));
    r->event_id = scalar(d, mmr_js_get(d, w, "event_id"));
    if (!r->event_id.p)
        r->event_id = scalar(d, mmr_js_get(d, ev, "code"));
    r->channel = scalar(d, mmr_js_get(d, w, "channel"));
    r->computer = scalar(d, mmr_js_get(d, w, "computer_name"));
    if (!r->computer.p)
        r->computer = scalar(d, mmr_js_get(d, host, "name"));
    r->record_id = scalar(d, mmr_js_get(d, w, "record_id"));
    r->task = scalar(d, mmr_js_get(d, w, "task"));
    r->user_sid = scalar(d, mmr_js_get(d, mmr_js_get(d, w, "user"), "identifier"));
    r->system_time = scalar(d, mmr_js_get(d, root, "@timestamp"));
    r->is_system_utc = true;
    r->message = scalar(d, mmr_js_get(d, root, "message"));
    add_data(r, d, mmr_js_get(d, w, "event_data"));
    add_data(r, d, mmr_js_get(d, w, "user_data"));
    mmr_winrec_add_elastic(r, d, root);
    return 0;
}

/* Wazuh: {"system": {"eventID", "providerName", ..}, "eventdata": {"image", ..}}: names begin small. */
static int from_wazuh(const struct mmr_js_doc *d, int32_t win, int32_t sys, struct mmr_winrec *r)
{
    r->provider = scalar(d, mmr_js_get(d, sys, "providerName"));
    r->event_id = scalar(d, mmr_js_get(d, sys, "eventID"));
    r->channel = scalar(d, mmr_js_get(d, sys, "channel"));
    r->computer = scalar(d, mmr_js_get(d, sys, "computer"));
    r->keywords = scalar(d, mmr_js_get(d, sys, "keywords"));
    r->level = scalar(d, mmr_js_get(d, sys, "level"));
    r->task = scalar(d, mmr_js_get(d, sys, "task"));
    r->record_id = scalar(d, mmr_js_get(d, sys, "eventRecordID"));
    r->message = scalar(d, mmr_js_get(d, sys, "message"));
    r->system_time = scalar(d, mmr_js_get(d, sys, "systemTime"));
    r->is_system_utc = true;
    for (int32_t i = win + 1; i < d->node[win].end; i = d->node[i].end)
        if (i != sys && d->node[i].type == MMR_JS_OBJECT)
            add_data(r, d, i);
    for (uint32_t i = 0; i < r->n; i++) {
        struct mmr_slice *name = &r->f[i].name;
        if (!name->n || name->p[0] < 'a' || name->p[0] > 'z' || MMR_WINREC_SCRATCH - r->scratch_used < name->n)
            continue;
        char *at = r->scratch + r->scratch_used;
        memcpy(at, name->p, name->n);
        at[0] = (char)(at[0] - 'a' + 'A');
        name->p = at;
        r->scratch_used += name->n;
    }
    return 0;
}

/* Flat records: what their names mean, by the length of the name. 0: the sender's own, of no use to us. */
enum { FLAT_LONGEST = 18, FLAT_MOST = 10 };
struct flat_name {
    char name[FLAT_LONGEST + 1];
    uint8_t reserved;
    uint16_t at; /* offset of the slice in struct mmr_winrec + 1 */
};
#define TO(member) offsetof(struct mmr_winrec, member) + 1
static const struct flat_name flat_names[FLAT_LONGEST + 1][FLAT_MOST] = {
    [2] = {{"Id", 0, TO(event_id)}},
    [3] = {{"Sid", 0, 0}},
    [4] = {{"Task", 0, TO(task)}, {"host", 0, 0}, {"port", 0, 0}, {"tags", 0, 0}},
    [5] = {{"Level", 0, TO(level)}},
    [6] = {{"UserID", 0, TO(user_sid)}, {"UserId", 0, TO(user_sid)}, {"Domain", 0, TO(account_domain)},
           {"Opcode", 0, 0}},
    [7] = {{"Channel", 0, TO(channel)}, {"LogName", 0, TO(channel)}, {"EventID", 0, TO(event_id)},
           {"EventId", 0, TO(event_id)}, {"Message", 0, TO(message)}, {"message", 0, TO(message)}, {"Version", 0, 0}},
    [8] = {{"log_name", 0, TO(channel)}, {"Provider", 0, TO(provider)}, {"Hostname", 0, TO(computer)},
           {"Computer", 0, TO(computer)}, {"event_id", 0, TO(event_id)}, {"Keywords", 0, TO(keywords)},
           {"@version", 0, 0}, {"Category", 0, 0}, {"Severity", 0, 0}, {"ThreadID", 0, 0}},
    [9] = {{"EventCode", 0, TO(event_id)}, {"record_id", 0, TO(record_id)}, {"EventTime", 0, TO(event_time)}},
    [10] = {{"SourceName", 0, TO(provider)}, {"SystemTime", 0, TO(system_time)}, {"@timestamp", 0, TO(arrival)},
            {"Qualifiers", 0, 0}, {"ProviderId", 0, 0}},
    [11] = {{"MachineName", 0, TO(computer)}, {"AccountName", 0, TO(account)}, {"TimeCreated", 0, TO(system_time)},
            {"AccountType", 0, 0}, {"OpcodeValue", 0, 0}, {"TimeWritten", 0, 0}},
    [12] = {{"ProviderName", 0, TO(provider)}, {"ComputerName", 0, TO(computer)}, {"RecordNumber", 0, TO(record_id)},
            {"ProviderGuid", 0, 0}},
    [13] = {{"Provider_Name", 0, TO(provider)}, {"computer_name", 0, TO(computer)},
            {"EventRecordID", 0, TO(record_id)}, {"TimeGenerated", 0, TO(event_time)}, {"SeverityValue", 0, 0}},
    [16] = {{"SourceModuleName", 0, 0}, {"SourceModuleType", 0, 0}, {"EventTypeOrignal", 0, 0}},
    [17] = {{"EventReceivedTime", 0, 0}},
    [18] = {{"ExecutionProcessID", 0, 0}},
};
#undef TO

static const struct flat_name *flat_find(struct mmr_slice name)
{
    if (name.n > FLAT_LONGEST)
        return NULL;
    const struct flat_name *row = flat_names[name.n];
    for (int i = 0; i < FLAT_MOST && row[i].name[0]; i++)
        if (row[i].name[0] == name.p[0] && memcmp(row[i].name, name.p, name.n) == 0)
            return &row[i];
    return NULL;
}

static bool cut_start(struct mmr_slice *s, const char *start)
{
    size_t n = strlen(start);
    if (s->n <= n || memcmp(s->p, start, n) != 0)
        return false;
    s->p += n;
    s->n -= (uint32_t)n;
    return true;
}

/* Paths written as one name ("winlog.event_data.Image"): the last part; names of the record itself as flat records have them. */
static struct mmr_slice last_part(struct mmr_slice name, struct mmr_winrec *r)
{
    if (!cut_start(&name, "winlog."))
        return name;
    r->is_system_utc = true;
    if (cut_start(&name, "event_data.") || cut_start(&name, "user_data."))
        return name;
    static const struct {
        const char *dotted;
        struct mmr_slice flat;
    } names[] = {{"channel", MMR_SLICE("Channel")}, {"provider_name", MMR_SLICE("ProviderName")},
                 {"computer_name", MMR_SLICE("Computer")}, {"record_id", MMR_SLICE("RecordNumber")},
                 {"task", MMR_SLICE("Task")}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mmr_slice_is(name, names[i].dotted))
            return names[i].flat;
    return name;
}

/* EventData as values without names (Fluent Bit, PowerShell's objects): by their places, or by the text that repeats them. */
static void add_values(struct mmr_winrec *r, const struct mmr_js_doc *d, int32_t at)
{
    struct mmr_slice v[MMR_WINREC_VALUES_MAX];
    uint32_t n = 0, left = 0;
    for (uint32_t i = 0; i < r->n; i++) /* of the program that wrote the record, not of the one it is about */
        if (!mmr_slice_is_nocase(r->f[i].name, "ProcessId") && !mmr_slice_is_nocase(r->f[i].name, "ThreadId"))
            r->f[left++] = r->f[i];
    r->n = left;
    for (int32_t i = at + 1; i < d->node[at].end && n < MMR_WINREC_VALUES_MAX; i = d->node[i].end) {
        struct mmr_slice s = text_of(d, i);
        v[n++] = s.p ? s : MMR_SLICE("");
    }
    mmr_winrec_name_values(r, v, n);
}

static int from_flat(const struct mmr_js_doc *d, int32_t root, struct mmr_winrec *r)
{
    int32_t values = MMR_JS_NONE;
    for (int32_t i = root + 1; i < d->node[root].end; i = d->node[i].end) {
        const struct mmr_js_node *nd = &d->node[i];
        struct mmr_slice name = key_of(nd);
        if (!name.n)
            continue;
        if (name.n > 7 && name.p[6] == '.')
            name = last_part(name, r);
        const struct flat_name *f = flat_find(name);
        struct mmr_slice v = scalar(d, i);
        if (f) {
            if (f->at && nd->type == MMR_JS_OBJECT) /* PowerShell's {"value": "/Date(..)/", ..} */
                v = scalar(d, mmr_js_get(d, i, "value"));
            if (f->at && v.p) {
                struct mmr_slice *s = (struct mmr_slice *)(void *)((char *)r + f->at - 1);
                if (!s->p)
                    *s = v;
            }
        } else if (nd->type == MMR_JS_OBJECT && (mmr_slice_is(name, "EventData") || mmr_slice_is(name, "event_data"))) {
            add_data(r, d, i);
        } else if (nd->type == MMR_JS_ARRAY && (mmr_slice_is(name, "StringInserts") || mmr_slice_is(name, "Properties"))) {
            values = i;
        } else if (nd->type == MMR_JS_ARRAY && nd->end > i + 1) {
            mmr_winrec_add(r, name, join(r, d, i));
        } else {
            mmr_winrec_add(r, name, v);
        }
    }
    if (r->is_system_utc && !r->system_time.p)
        r->system_time = r->arrival;
    if (values >= 0)
        add_values(r, d, values);
    return 0;
}

/* Objects that tell the shapes apart; those of OUTER_FIRST and behind it are what stores and tools put around a record. */
enum inside { IN_EVENT, IN_SYSTEM, IN_WINLOG, IN_WIN, OUTER_FIRST, INSIDES = OUTER_FIRST + 4 };

/* Which of them container `at` holds, in one pass: a flat record has many members, and hardly an object among them. */
static void look_inside(const struct mmr_js_doc *d, int32_t at, int32_t ret[INSIDES])
{
    static const struct mmr_slice names[INSIDES] = {
        [IN_EVENT] = MMR_SLICE("Event"), [IN_SYSTEM] = MMR_SLICE("System"), [IN_WINLOG] = MMR_SLICE("winlog"), [IN_WIN] = MMR_SLICE("win"),
        [OUTER_FIRST] = MMR_SLICE("_source"), MMR_SLICE("document"), MMR_SLICE("data"), MMR_SLICE("result"),
    };
    for (int k = 0; k < INSIDES; k++)
        ret[k] = MMR_JS_NONE;
    if (at < 0 || d->node[at].type != MMR_JS_OBJECT)
        return;
    for (int32_t i = at + 1; i < d->node[at].end; i = d->node[i].end)
        for (int k = 0; d->node[i].type == MMR_JS_OBJECT && k < INSIDES; k++)
            if (ret[k] < 0 && d->node[i].key_len == names[k].n && memcmp(d->node[i].key, names[k].p, names[k].n) == 0)
                ret[k] = i;
}

int mmr_winrec_from_json(const struct mmr_js_doc *doc, struct mmr_winrec *ret, struct mmr_error *err)
{
    int32_t in[INSIDES], root = MMR_JS_ROOT, sys;
    mmr_winrec_clear(ret);
    look_inside(doc, root, in);
    /* {"_source": ..}, {"document": {"data": ..}}, {"data": {"win": ..}}: taken off */
    for (int depth = 0; depth < 3 && in[IN_EVENT] < 0 && in[IN_WINLOG] < 0 && in[IN_WIN] < 0; depth++) {
        int32_t outer = MMR_JS_NONE;
        for (int k = OUTER_FIRST; k < INSIDES && outer < 0; k++)
            outer = in[k];
        if (outer < 0)
            break;
        root = outer;
        look_inside(doc, root, in);
    }
    if (in[IN_EVENT] >= 0 && (sys = mmr_js_get(doc, in[IN_EVENT], "System")) >= 0 && doc->node[sys].type == MMR_JS_OBJECT)
        from_event(doc, in[IN_EVENT], sys, ret);
    else if (in[IN_SYSTEM] >= 0)
        from_event(doc, root, in[IN_SYSTEM], ret);
    else if (in[IN_WIN] >= 0 && (sys = mmr_js_get(doc, in[IN_WIN], "system")) >= 0 && doc->node[sys].type == MMR_JS_OBJECT)
        from_wazuh(doc, in[IN_WIN], sys, ret);
    else if (in[IN_WINLOG] >= 0)
        from_ecs(doc, root, in[IN_WINLOG], ret);
    else
        from_flat(doc, root, ret);
    if (!ret->event_id.n || !(ret->channel.n || ret->provider.n))
        return mmr_fail(err, MMR_EUNSUPPORTED, "no Windows event: no event id with a channel or provider");
    return 0;
}
