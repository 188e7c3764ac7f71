/*
 * directory.c - a directory looked through as attackers do it. (1) Single searches that only they need: accounts whose password can be
 * guessed from a ticket (no pre-authentication; services of persons), passwords of local administrators, all at once. (2) Tickets of
 * many services of persons' accounts, weakly encrypted, one after the other (Kerberoasting; statistic: 4 services in a minute).
 * (3) Different kinds of lists asked of one machine: accounts, groups, shares, sessions, services (statistic: 4 kinds in five minutes).
 * Controllers ask each other so; what they do is not told.
 */
#include "behaviour.h"

#include "net_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { KINDS = 4, KINDS_S = 300, TICKETS = 4, TICKETS_S = 60, RC4 = 23 };
struct looked { /* by one client: of one server, or of tickets */
    int64_t since_ns;
    uint32_t n, hash[8];
};
const uint32_t directory_bytes = sizeof(struct looked);

static const struct beh_rule roastable = {"mamori.lateral.ldap_roastable", "Accounts searched for whose passwords can be guessed from their tickets", "account", "low", 3, {"T1558.003", "T1558.004", "T1087.002"}};
static const struct beh_rule secrets = {"mamori.lateral.ldap_secrets", "Stored passwords of machines searched for in the directory", "account", "low", 3, {"T1555", "T1552", "T1087.002"}};
static const struct beh_rule survey = {"mamori.lateral.ldap_survey", "Directory searched for rights, trusts and privileged accounts", NULL, "info", 1, {"T1087.002", "T1069.002", "T1482"}};
static const struct beh_rule tickets = {"mamori.lateral.ticket_harvest", "Weakly encrypted tickets of many services in a row (Kerberoasting)", "account", "high", 4, {"T1558.003"}};
static const struct beh_rule lists = {"mamori.lateral.enumeration", "A machine asked for one list after the other: accounts, groups, shares, sessions, services", "spread", "low", 3, {"T1087.002", "T1069.002", "T1135", "T1049"}};

/* A new what within the window? Returns how many different ones there are, 0 when it is not new. */
static uint32_t add(struct beh *b, const struct memory_key *k, int64_t now, int64_t window_s, const char *what)
{
    struct looked *l = memory_get(&b->looked, k);
    uint32_t h = 0x811c9dc5U;
    if (!l)
        return 0;
    if (beh_is_over(now, l->since_ns, window_s)) {
        memset(l, 0, sizeof *l);
        l->since_ns = now;
    }
    for (; *what; what++)
        h = (h ^ (uint8_t)(*what | 32)) * 0x01000193U;
    for (uint32_t i = 0; i < l->n; i++)
        if (l->hash[i] == h)
            return 0;
    if (l->n == sizeof l->hash / sizeof l->hash[0])
        return 0;
    l->hash[l->n++] = h;
    return l->n;
}

static void on_search(struct beh *b, const struct beh_event *e)
{
    static const struct {
        const struct beh_rule *rule;
        const char *has, *too; /* both in the filter, in whatever case */
    } rows[] = {
        {&roastable, "1.2.840.113556.1.4.803:=4194304", ""}, /* DONT_REQ_PREAUTH */
        {&roastable, "serviceprincipalname=*", "samaccounttype=805306368"},
        {&roastable, "serviceprincipalname=*", "objectcategory=person"},
        {&roastable, "serviceprincipalname=*", "objectclass=user)(!"},
        {&roastable, "serviceprincipalname=*", "!(samaccountname=krbtgt"},
        {&roastable, "serviceprincipalname=*", "!(cn=krbtgt"},
        {&secrets, "ms-mcs-admpwd=*", ""},
        {&secrets, "mslaps-password=*", ""},
        {&secrets, "mslaps-encryptedpassword=*", ""},
        {&survey, "objectclass=msds-groupmanagedserviceaccount", ""},
        {&survey, "admincount=1", ""},
        {&survey, "objectclass=trusteddomain", ""},
        {&survey, "msds-allowedtodelegateto=*", ""},
        {&survey, "msds-allowedtoactonbehalfofotheridentity=*", ""},
        {&survey, "1.2.840.113556.1.4.803:=524288", ""}, /* TRUSTED_FOR_DELEGATION */
        {&survey, "samaccountname=domain admins", ""},
    };
    const struct beh_where *w = &e->where;
    char filter[1024], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    (void)beh_text(e, "unmapped.filter", filter, sizeof filter);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!strcasestr(filter, rows[i].has) || !strcasestr(filter, rows[i].too))
            continue;
        beh_find(b, rows[i].rule, w, "%s searches the directory of %s for %.300s", net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), filter);
        return;
    }
}

static void on_ticket(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char service[256], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (!beh_is(e, "unmapped.message", "TGS-REP") || beh_int(e, "unmapped.ticket_etype", 0) != RC4 ||
        lateral_is_machines_service(beh_text(e, "unmapped.service", service, sizeof service)))
        return;
    const struct memory_key k = memory_key(&w->src, NULL, 1);
    const uint32_t n = add(b, &k, w->time_ns, TICKETS_S, service);
    if (n >= TICKETS)
        beh_find(b, &tickets, w, "%s got tickets of %u services from %s within %d s that are encrypted with RC4 (limit %d), last %s: they can be guessed at home",
                 net_addr_text(&w->src, src), n, net_addr_text(&w->dst, dst), TICKETS_S, TICKETS, service);
}

/* What kind of list does this operation give? NULL: none. */
static const char *list_of(const char *interface, const char *operation)
{
    static const struct {
        const char *interface, *operation, *kind;
    } rows[] = {
        {"samr", "SamrEnumerateUsersInDomain", "accounts"},   {"samr", "SamrQueryDisplayInformation", "accounts"},
        {"samr", "SamrEnumerateGroupsInDomain", "groups"},    {"samr", "SamrEnumerateAliasesInDomain", "groups"},
        {"samr", "SamrGetMembersIn", "members of groups"},    {"lsarpc", "LsarEnumerateAccounts", "rights"},
        {"lsarpc", "LsarEnumerateTrustedDomains", "trusts"},  {"srvsvc", "NetrShareEnum", "shares"},
        {"srvsvc", "NetrSessionEnum", "sessions"},            {"wkssvc", "NetrWkstaUserEnum", "logged-on users"},
        {"svcctl", "EnumServicesStatus", "services"},         {"ITaskSchedulerService", "SchRpcEnum", "tasks"},
        {"netlogon", "DsrEnumerateDomainTrusts", "trusts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(interface, rows[i].interface) == 0 && strncmp(operation, rows[i].operation, strlen(rows[i].operation)) == 0)
            return rows[i].kind;
    return NULL;
}

static void on_call(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char interface[48], operation[64], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    const char *kind = list_of(beh_text(e, "unmapped.interface", interface, sizeof interface), beh_text(e, "unmapped.operation", operation, sizeof operation));
    if (!kind || lateral_is_controller(b, &w->src))
        return;
    const struct memory_key k = memory_key(&w->src, &w->dst, 2);
    const uint32_t n = add(b, &k, w->time_ns, KINDS_S, kind);
    if (n >= KINDS)
        beh_find(b, &lists, w, "%s asked %s for %u kinds of lists within %d min (limit %d), last %s", net_addr_text(&w->src, src), net_addr_text(&w->dst, dst), n,
                 KINDS_S / 60, KINDS, kind);
}

void directory_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "ldap.search") == 0)
        on_search(b, e);
    else if (strcmp(e->kind, "krb.reply") == 0)
        on_ticket(b, e);
    else if (strcmp(e->kind, "dcerpc.call") == 0)
        on_call(b, e);
}
