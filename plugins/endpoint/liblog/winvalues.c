/*
 * winvalues.c - EventData whose names were lost on the way: the places of the values are fixed for each event (its
 * manifest), and Sysmon's message repeats them as "Name: value", in English on every machine.
 */
#include "winrec.h"

#include <string.h>

struct places {
    uint16_t id;
    const char *names; /* separated by blanks; "-": of no use */
};
#define SUBJECT "SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId "
/* clang-format off */
static const struct places security[] = {
    {4624, SUBJECT "TargetUserSid TargetUserName TargetDomainName TargetLogonId LogonType LogonProcessName AuthenticationPackageName "
           "WorkstationName LogonGuid TransmittedServices LmPackageName KeyLength ProcessId ProcessName IpAddress IpPort"},
    {4625, SUBJECT "TargetUserSid TargetUserName TargetDomainName Status FailureReason SubStatus LogonType LogonProcessName "
           "AuthenticationPackageName WorkstationName TransmittedServices LmPackageName KeyLength ProcessId ProcessName IpAddress IpPort"},
    {4648, SUBJECT "LogonGuid TargetUserName TargetDomainName TargetLogonGuid TargetServerName TargetInfo ProcessId ProcessName IpAddress "
           "IpPort"},
    {4656, SUBJECT "ObjectServer ObjectType ObjectName HandleId TransactionId AccessList AccessReason AccessMask PrivilegeList "
           "RestrictedSidCount ProcessId ProcessName"},
    {4662, SUBJECT "ObjectServer ObjectType ObjectName OperationType HandleId AccessList AccessMask Properties"},
    {4663, SUBJECT "ObjectServer ObjectType ObjectName HandleId AccessList AccessMask ProcessId ProcessName"},
    {4672, SUBJECT "PrivilegeList"},
    {4688, SUBJECT "NewProcessId NewProcessName TokenElevationType ProcessId CommandLine TargetUserSid TargetUserName TargetDomainName "
           "TargetLogonId ParentProcessName MandatoryLabel"},
    {4697, SUBJECT "ServiceName ServiceFileName ServiceType ServiceStartType ServiceAccount"},
    {4698, SUBJECT "TaskName TaskContent"},
    {4702, SUBJECT "TaskName TaskContentNew"},
    {4703, SUBJECT "TargetUserSid TargetUserName TargetDomainName TargetLogonId ProcessName ProcessId EnabledPrivilegeList "
           "DisabledPrivilegeList"},
    {4719, SUBJECT "CategoryId SubcategoryId SubcategoryGuid AuditPolicyChanges"},
    {4720, "TargetUserName TargetDomainName TargetSid " SUBJECT "PrivilegeList SamAccountName"},
    {4728, "MemberName MemberSid TargetUserName TargetDomainName TargetSid " SUBJECT "PrivilegeList"},
    {4732, "MemberName MemberSid TargetUserName TargetDomainName TargetSid " SUBJECT "PrivilegeList"},
    {4756, "MemberName MemberSid TargetUserName TargetDomainName TargetSid " SUBJECT "PrivilegeList"},
    {4768, "TargetUserName TargetDomainName TargetSid ServiceName ServiceSid TicketOptions Status TicketEncryptionType PreAuthType IpAddress "
           "IpPort"},
    {4769, "TargetUserName TargetDomainName ServiceName ServiceSid TicketOptions TicketEncryptionType IpAddress IpPort Status LogonGuid"},
    {4771, "TargetUserName TargetSid ServiceName TicketOptions Status PreAuthType IpAddress IpPort"},
    {4776, "PackageName TargetUserName Workstation Status"},
    {5140, SUBJECT "ObjectType IpAddress IpPort ShareName ShareLocalPath AccessMask AccessList"},
    {5145, SUBJECT "ObjectType IpAddress IpPort ShareName ShareLocalPath RelativeTargetName AccessMask AccessList AccessReason"},
    {5156, "ProcessID Application Direction SourceAddress SourcePort DestAddress DestPort Protocol"},
};
static const struct places service_control[] = {
    {7045, "ServiceName ImagePath ServiceType StartType AccountName"},
    {7036, "param1 param2"}, {7040, "param1 param2 param3 param4"},
};
static const struct places powershell[] = {
    {4103, "ContextInfo UserData Payload"}, {4104, "MessageNumber MessageTotal ScriptBlockText ScriptBlockId Path"},
};
/* clang-format on */

static bool has(struct mmr_slice s, const char *text)
{
    return s.p && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static const char *names_of(const struct mmr_winrec *r)
{
    const struct places *t = NULL;
    size_t rows = 0;
    int64_t id;
    if (!mmr_slice_int(r->event_id, &id))
        return NULL;
    if (mmr_slice_is_nocase(r->channel, "Security") || has(r->provider, "Security-Auditing")) {
        t = security;
        rows = sizeof security / sizeof security[0];
    } else if (has(r->provider, "Service Control Manager")) {
        t = service_control;
        rows = sizeof service_control / sizeof service_control[0];
    } else if (has(r->channel, "PowerShell")) {
        t = powershell;
        rows = sizeof powershell / sizeof powershell[0];
    }
    for (size_t i = 0; i < rows; i++)
        if (t[i].id == (id & 0xffff))
            return t[i].names;
    return NULL;
}

/* "Name: value" a line, as Sysmon's messages have it; the first line names the event. */
static void from_message(struct mmr_winrec *r)
{
    const char *p = r->message.p, *end = p ? p + r->message.n : NULL;
    for (bool is_first = true; p < end; is_first = false) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end, *colon = memchr(p, ':', (size_t)(stop - p));
        const char *next = nl ? nl + 1 : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        if (!is_first && colon && colon > p && colon - p < 48 && colon < stop) {
            const char *v = colon + 1;
            while (v < stop && *v == ' ')
                v++;
            mmr_winrec_add(r, (struct mmr_slice){p, (uint32_t)(colon - p), 0}, (struct mmr_slice){v, (uint32_t)(stop - v), 0});
        }
        p = next;
    }
}

void mmr_winrec_name_values(struct mmr_winrec *r, const struct mmr_slice *v, uint32_t n)
{
    const char *names = names_of(r);
    if (!names && (has(r->provider, "Sysmon") || has(r->channel, "Sysmon"))) {
        from_message(r);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mmr_slice name = MMR_SLICE("Data");
        if (names && *names) {
            size_t len = strcspn(names, " ");
            name = (struct mmr_slice){names, (uint32_t)len, 0};
            names += len + strspn(names + len, " ");
        }
        mmr_winrec_add(r, name, v[i]);
    }
}
