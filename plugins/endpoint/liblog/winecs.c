/*
 * winecs.c - a shipper with modules moves values of EventData into fields of the Elastic Common Schema and drops the
 * originals. Rules and the mapping know the originals: they are put back.
 */
#include "winrec.h"

#include <string.h>

struct back {
    const char *path; /* parts separated by dots */
    const char *name; /* of Sysmon's records; NULL: none */
    const char *security;
};
/* clang-format off */
static const struct back table[] = {
    {"process.executable", "Image", NULL}, {"process.command_line", "CommandLine", "CommandLine"}, {"process.pid", "ProcessId", NULL},
    {"process.entity_id", "ProcessGuid", NULL}, {"process.working_directory", "CurrentDirectory", NULL},
    {"process.parent.executable", "ParentImage", "ParentProcessName"}, {"process.parent.command_line", "ParentCommandLine", NULL},
    {"process.parent.pid", "ParentProcessId", NULL}, {"process.parent.entity_id", "ParentProcessGuid", NULL},
    {"process.pe.original_file_name", "OriginalFileName", NULL}, {"process.pe.description", "Description", NULL},
    {"process.pe.product", "Product", NULL}, {"process.pe.company", "Company", NULL},
    {"source.ip", "SourceIp", "IpAddress"}, {"source.port", "SourcePort", "IpPort"}, {"source.domain", "SourceHostname", "WorkstationName"},
    {"destination.ip", "DestinationIp", NULL}, {"destination.port", "DestinationPort", NULL},
    {"destination.domain", "DestinationHostname", NULL}, {"network.transport", "Protocol", NULL},
    {"registry.path", "TargetObject", NULL}, {"dns.question.name", "QueryName", NULL},
};
/* clang-format on */

static struct mmr_slice at_path(const struct mmr_js_doc *d, int32_t at, const char *path)
{
    char part[32];
    while (at >= 0 && *path) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof part)
            return (struct mmr_slice){0};
        memcpy(part, path, n);
        part[n] = '\0';
        at = mmr_js_get(d, at, part);
        path += n + (path[n] == '.');
    }
    if (at >= 0 && d->node[at].type == MMR_JS_ARRAY && d->node[at].end > at + 1)
        at++; /* the first of several */
    if (at < 0 || d->node[at].type == MMR_JS_NULL || d->node[at].type >= MMR_JS_OBJECT)
        return (struct mmr_slice){0};
    return (struct mmr_slice){d->node[at].val, d->node[at].val_len, 0};
}

static void add(struct mmr_winrec *r, const char *name, struct mmr_slice v)
{
    if (name && v.n && !mmr_winrec_get(r, name).p)
        mmr_winrec_add(r, (struct mmr_slice){name, (uint32_t)strlen(name), 0}, v);
}

/* domain and name as one text, DOMAIN\name, in the record's scratch */
static struct mmr_slice account(struct mmr_winrec *r, struct mmr_slice domain, struct mmr_slice name)
{
    char *at = r->scratch + r->scratch_used;
    if (!domain.n || MMR_WINREC_SCRATCH - r->scratch_used < domain.n + name.n + 1)
        return name;
    memcpy(at, domain.p, domain.n);
    at[domain.n] = '\\';
    memcpy(at + domain.n + 1, name.p, name.n);
    r->scratch_used += domain.n + name.n + 1;
    return (struct mmr_slice){at, domain.n + name.n + 1, 0};
}

static bool has(struct mmr_slice s, const char *text)
{
    return s.p && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

void mmr_winrec_add_elastic(struct mmr_winrec *r, const struct mmr_js_doc *doc, int32_t root)
{
    bool is_sysmon = has(r->provider, "Sysmon") || has(r->channel, "Sysmon");
    bool is_security = mmr_slice_is_nocase(r->channel, "Security");
    struct mmr_slice name = at_path(doc, root, "user.name"), domain = at_path(doc, root, "user.domain");
    if (has(r->channel, "PowerShell"))
        add(r, "ScriptBlockText", at_path(doc, root, "powershell.file.script_block_text"));
    if (!is_sysmon && !is_security)
        return;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (is_sysmon ? table[i].name != NULL : table[i].security != NULL)
            add(r, is_sysmon ? table[i].name : table[i].security, at_path(doc, root, table[i].path));
    if (is_security) {
        if (mmr_slice_is(r->event_id, "4688"))
            add(r, "NewProcessName", at_path(doc, root, "process.executable"));
        else
            add(r, "ProcessName", at_path(doc, root, "process.executable"));
        add(r, mmr_slice_is(r->event_id, "4688") ? "SubjectUserName" : "TargetUserName", name);
        add(r, mmr_slice_is(r->event_id, "4688") ? "SubjectDomainName" : "TargetDomainName", domain);
        return;
    }
    struct mmr_slice path = at_path(doc, root, "file.path");
    if (path.n) {
        bool is_image = mmr_slice_is(r->event_id, "6") || mmr_slice_is(r->event_id, "7");
        bool is_pipe = mmr_slice_is(r->event_id, "17") || mmr_slice_is(r->event_id, "18");
        add(r, is_image ? "ImageLoaded" : is_pipe ? "PipeName" : "TargetFilename", path);
    }
    if (mmr_slice_is(r->event_id, "17") || mmr_slice_is(r->event_id, "18"))
        add(r, "PipeName", at_path(doc, root, "file.name"));
    add(r, "Details", at_path(doc, root, "registry.data.strings"));
    if (mmr_slice_is(r->event_id, "3")) {
        struct mmr_slice dir = at_path(doc, root, "network.direction");
        if (dir.n)
            add(r, "Initiated", has(dir, "outbound") || has(dir, "egress") ? MMR_SLICE("true") : MMR_SLICE("false"));
    }
    if (name.n)
        add(r, "User", account(r, domain, name));
}
