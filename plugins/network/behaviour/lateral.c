/*
 * lateral.c - remote administration used as attackers use it: a table of operations, each with what it
 * means. Who is a domain controller is learnt from the Kerberos it serves, or configured; what
 * controllers do to each other is not told.
 */
#include "behaviour.h"

#include "net_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NETLOGON_N = 30, NETLOGON_S = 60, ROLE_CONTROLLER = 1 };
enum { /* row flags */
    IF_NOT_CONTROLLER = 1 << 0, /* not when the caller is a domain controller */
    IF_INTERNAL = 1 << 1,       /* both ends inside */
};
struct row {
    const char *interface, *operation; /* operation: prefix; W and A forms are one row */
    uint32_t flags;
    struct beh_rule rule;
};
static const struct row rows[] = {
    {"svcctl", "CreateService", IF_NOT_CONTROLLER, {"mamori.lateral.service_create", "Remote service creation (svcctl CreateService)", "spread", "high", 4, {"T1021.002", "T1569.002", "T1543.003"}}},
    {"svcctl", "CreateWowService", IF_NOT_CONTROLLER, {"mamori.lateral.service_create", "Remote service creation (svcctl CreateService)", "spread", "high", 4, {"T1021.002", "T1569.002", "T1543.003"}}},
    {"svcctl", "StartService", IF_NOT_CONTROLLER, {"mamori.lateral.service_start", "Remote service start (svcctl StartService)", "spread", "low", 3, {"T1569.002", "T1021.002"}}},
    {"svcctl", "ChangeServiceConfig", IF_NOT_CONTROLLER, {"mamori.lateral.service_change", "Remote change of a service (svcctl ChangeServiceConfig)", "spread", "high", 3, {"T1543.003", "T1569.002"}}},
    {"svcctl", "QueryServiceStatus", IF_NOT_CONTROLLER, {"mamori.lateral.service_query", "Remote query of services (svcctl)", NULL, "info", 1, {"T1007"}}},
    {"ITaskSchedulerService", "SchRpcRegisterTask", IF_NOT_CONTROLLER, {"mamori.lateral.task_register", "Remote scheduled task registration (SchRpcRegisterTask)", "spread", "high", 4, {"T1053.005"}}},
    {"atsvc", "NetrJobAdd", IF_NOT_CONTROLLER, {"mamori.lateral.task_register", "Remote scheduled task registration (NetrJobAdd)", "spread", "high", 4, {"T1053.002", "T1053.005"}}},
    {"winreg", "BaseRegSaveKey", IF_NOT_CONTROLLER, {"mamori.lateral.registry_save", "Registry hive saved remotely (winreg BaseRegSaveKey)", "account", "high", 4, {"T1003.002"}}},
    {"winreg", "BaseRegSetValue", IF_NOT_CONTROLLER, {"mamori.lateral.registry_set", "Registry changed remotely (winreg BaseRegSetValue)", "spread", "low", 3, {"T1112"}}},
    {"IWbemServices", "ExecMethod", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_exec", "Remote WMI method call (IWbemServices ExecMethod)", "spread", "high", 4, {"T1047"}}},
    {"IWbemServices", "PutInstance", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_put", "Remote WMI object written (IWbemServices PutInstance)", "spread", "high", 3, {"T1047", "T1546.003"}}},
    {"IWbemServices", "ExecQuery", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_query", "Remote WMI query (IWbemServices ExecQuery)", NULL, "info", 1, {"T1047"}}},
    {"drsuapi", "DRSGetNCChanges", IF_NOT_CONTROLLER, {"mamori.lateral.dcsync", "Directory replication by a host that is no domain controller (DsGetNCChanges, DCSync)", "account", "high", 5, {"T1003.006"}}},
    {"netlogon", "NetrServerPasswordSet2", 0, {"mamori.lateral.netlogon_password", "Machine password set over Netlogon after a flood of challenges", "account", "high", 5, {"T1098", "T1210"}}},
    {"lsarpc", "LsarRetrievePrivateData", IF_NOT_CONTROLLER, {"mamori.lateral.lsa_secret", "LSA secrets read remotely (LsarRetrievePrivateData, domain backup keys)", "account", "high", 5, {"T1003.004"}}},
    {"lsarpc", "LsarQuerySecret", IF_NOT_CONTROLLER, {"mamori.lateral.lsa_secret", "LSA secrets read remotely (LsarQuerySecret)", "account", "high", 5, {"T1003.004"}}},
    {"srvsvc", "NetrSessionEnum", IF_NOT_CONTROLLER, {"mamori.lateral.session_enum", "Sessions of a server listed remotely (NetSessEnum)", "spread", "low", 2, {"T1049"}}},
    {"wkssvc", "NetrWkstaUserEnum", IF_NOT_CONTROLLER, {"mamori.lateral.user_enum", "Logged-on users listed remotely (NetWkstaUserEnum)", "spread", "low", 2, {"T1033", "T1049"}}},
    {"samr", "SamrEnumerateUsersInDomain", IF_NOT_CONTROLLER, {"mamori.lateral.account_enum", "Accounts listed remotely (samr)", NULL, "info", 1, {"T1087.002"}}},
    {"spoolss", "RpcRemoteFindFirstPrinterChange", IF_NOT_CONTROLLER, {"mamori.lateral.coerced_logon", "A server is made to log on elsewhere (print system)", "account", "high", 4, {"T1187"}}},
    {"efsrpc", "EfsRpc", IF_NOT_CONTROLLER, {"mamori.lateral.coerced_logon", "A server is made to log on elsewhere (encrypting file system)", "account", "high", 4, {"T1187"}}},
    {"netdfs", "NetrDfsAddStdRoot", IF_NOT_CONTROLLER, {"mamori.lateral.coerced_logon", "A server is made to log on elsewhere (distributed file system)", "account", "high", 4, {"T1187"}}},
    {"netdfs", "NetrDfsRemoveStdRoot", IF_NOT_CONTROLLER, {"mamori.lateral.coerced_logon", "A server is made to log on elsewhere (distributed file system)", "account", "high", 4, {"T1187"}}},
    {"FssagentRpc", "IsPath", IF_NOT_CONTROLLER, {"mamori.lateral.coerced_logon", "A server is made to log on elsewhere (shadow copies of shares)", "account", "high", 4, {"T1187"}}},
    {"IRemoteWinspool", "RpcAsyncAddPrinterDriver", IF_NOT_CONTROLLER, {"mamori.lateral.driver_add", "Printer driver installed remotely (RpcAsyncAddPrinterDriver, PrintNightmare)", "spread", "low", 3, {"T1210", "T1547.012", "T1068"}}},
    {"epmapper", "ept_lookup", IF_NOT_CONTROLLER, {"mamori.lateral.endpoint_list", "Services of a machine listed remotely (endpoint mapper)", NULL, "info", 1, {"T1046", "T1018"}}},
    {"svcctl", "ControlService", IF_NOT_CONTROLLER, {"mamori.lateral.service_control", "Remote stop or control of a service (svcctl ControlService)", "spread", "low", 3, {"T1569.002", "T1489", "T1021.002"}}},
    {"svcctl", "DeleteService", IF_NOT_CONTROLLER, {"mamori.lateral.service_delete", "Remote deletion of a service (svcctl DeleteService)", "spread", "low", 3, {"T1569.002", "T1543.003", "T1021.002"}}},
    {"svcctl", "OpenSCManager", IF_NOT_CONTROLLER, {"mamori.lateral.service_manager", "Service manager opened remotely (svcctl OpenSCManager)", NULL, "info", 1, {"T1021.002", "T1569.002", "T1007", "T1069.001"}}},
    {"svcctl", "EnumServicesStatus", IF_NOT_CONTROLLER, {"mamori.lateral.service_query", "Remote list of services (svcctl EnumServicesStatus)", NULL, "info", 1, {"T1007"}}},
    {"svcctl", "QueryServiceConfig", IF_NOT_CONTROLLER, {"mamori.lateral.service_query", "Remote query of services (svcctl)", NULL, "info", 1, {"T1007"}}},
    {"ITaskSchedulerService", "SchRpcRun", IF_NOT_CONTROLLER, {"mamori.lateral.task_run", "Remote scheduled task started (SchRpcRun)", "spread", "low", 3, {"T1053.005"}}},
    {"ITaskSchedulerService", "SchRpcDelete", IF_NOT_CONTROLLER, {"mamori.lateral.task_delete", "Remote scheduled task deleted (SchRpcDelete)", "spread", "low", 3, {"T1053.005", "T1070"}}},
    {"ITaskSchedulerService", "SchRpcEnum", IF_NOT_CONTROLLER, {"mamori.lateral.task_query", "Scheduled tasks listed remotely (SchRpcEnum)", NULL, "info", 1, {"T1053.005", "T1007"}}},
    {"atsvc", "NetrJobDel", IF_NOT_CONTROLLER, {"mamori.lateral.task_delete", "Remote scheduled task deleted (NetrJobDel)", "spread", "low", 3, {"T1053.002", "T1053.005"}}},
    {"winreg", "BaseRegQueryValue", IF_NOT_CONTROLLER, {"mamori.lateral.registry_read", "Registry read remotely (winreg)", NULL, "info", 1, {"T1012"}}},
    {"winreg", "BaseRegOpenKey", IF_NOT_CONTROLLER, {"mamori.lateral.registry_read", "Registry read remotely (winreg)", NULL, "info", 1, {"T1012"}}},
    {"winreg", "BaseRegCreateKey", IF_NOT_CONTROLLER, {"mamori.lateral.registry_set", "Registry changed remotely (winreg BaseRegCreateKey)", "spread", "low", 3, {"T1112"}}},
    {"winreg", "BaseRegDelete", IF_NOT_CONTROLLER, {"mamori.lateral.registry_set", "Registry changed remotely (winreg BaseRegDelete)", "spread", "low", 3, {"T1112"}}},
    {"IWbemServices", "PutClass", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_put", "Remote WMI class written (IWbemServices PutClass)", "spread", "high", 3, {"T1047", "T1546.003"}}},
    {"IWbemServices", "CreateInstanceEnum", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_query", "Remote WMI query (IWbemServices CreateInstanceEnum)", NULL, "info", 1, {"T1047"}}},
    {"IWbemServices", "GetObject", IF_NOT_CONTROLLER, {"mamori.lateral.wmi_query", "Remote WMI object read (IWbemServices GetObject)", NULL, "info", 1, {"T1047"}}},
    {"IDispatch", "Invoke", IF_NOT_CONTROLLER, {"mamori.lateral.dcom_invoke", "Method of a remote object called (DCOM IDispatch Invoke)", "spread", "high", 4, {"T1021.003", "T1559.001"}}},
    {"ISystemActivator", "RemoteCreateInstance", IF_NOT_CONTROLLER, {"mamori.lateral.dcom_create", "Remote object made (DCOM RemoteCreateInstance)", NULL, "info", 1, {"T1021.003", "T1047"}}},
    {"drsuapi", "DRSAddEntry", IF_NOT_CONTROLLER, {"mamori.lateral.dcshadow", "Directory entry added over replication by a host that is no domain controller (DCShadow)", "account", "high", 5, {"T1207"}}},
    {"drsuapi", "DRSReplicaAdd", IF_NOT_CONTROLLER, {"mamori.lateral.dcshadow", "Replication asked for by a host that is no domain controller (DRSReplicaAdd, DCShadow)", "account", "high", 5, {"T1207"}}},
    {"lsarpc", "LsarEnumerateAccounts", IF_NOT_CONTROLLER, {"mamori.lateral.account_enum", "Accounts with rights listed remotely (lsarpc)", NULL, "info", 1, {"T1087.002", "T1069"}}},
    {"samr", "SamrEnumerateGroupsInDomain", IF_NOT_CONTROLLER, {"mamori.lateral.group_enum", "Groups listed remotely (samr)", NULL, "info", 1, {"T1069.002", "T1087.002"}}},
    {"samr", "SamrEnumerateAliasesInDomain", IF_NOT_CONTROLLER, {"mamori.lateral.group_enum", "Groups listed remotely (samr)", NULL, "info", 1, {"T1069.002", "T1069.001"}}},
    {"samr", "SamrGetMembersIn", IF_NOT_CONTROLLER, {"mamori.lateral.group_enum", "Members of a group listed remotely (samr)", NULL, "info", 1, {"T1069.002", "T1069.001"}}},
    {"samr", "SamrQueryDisplayInformation", IF_NOT_CONTROLLER, {"mamori.lateral.account_enum", "Accounts listed remotely (samr)", NULL, "info", 1, {"T1087.002"}}},
    {"samr", "SamrCreateUser", IF_NOT_CONTROLLER, {"mamori.lateral.account_create", "Account made remotely (samr); joining the domain does it too", NULL, "low", 2, {"T1136.002", "T1098"}}},
    {"samr", "SamrSetInformationUser", IF_NOT_CONTROLLER, {"mamori.lateral.account_change", "Account changed remotely (samr)", NULL, "low", 2, {"T1098"}}},
    {"srvsvc", "NetrShareEnum", IF_NOT_CONTROLLER, {"mamori.lateral.share_enum", "Shares listed remotely (srvsvc NetrShareEnum)", NULL, "info", 1, {"T1135"}}},
    {"srvsvc", "NetrShareAdd", IF_NOT_CONTROLLER, {"mamori.lateral.share_add", "Share made remotely (srvsvc NetrShareAdd)", "spread", "low", 3, {"T1021.002", "T1570"}}},
    {"spoolss", "RpcAddPrinterDriver", IF_NOT_CONTROLLER, {"mamori.lateral.driver_add", "Printer driver installed remotely (RpcAddPrinterDriverEx, PrintNightmare)", "spread", "low", 3, {"T1210", "T1547.012", "T1068"}}},
    {"initshutdown", "BaseInitiateShutdown", IF_NOT_CONTROLLER, {"mamori.lateral.shutdown", "Machine told to shut down remotely", "spread", "low", 3, {"T1529"}}},
};
static const struct beh_rule zerologon = {"mamori.lateral.netlogon_flood", "Flood of Netlogon challenges (NetrServerReqChallenge, Zerologon)", "account", "high", 5, {"T1210", "T1068"}};
static const struct beh_rule admin_write = {"mamori.lateral.admin_share_program", "Program written to an administrative share", "spread", "high", 4, {"T1021.002", "T1570"}};
static const struct beh_rule secret_file = {"mamori.lateral.secret_file", "A file with the passwords of a machine or of the domain opened over the network", "account", "high", 4, {"T1003.002", "T1003.003", "T1039"}};
static const struct beh_rule autostart_write = {"mamori.lateral.autostart_file", "A file put into the autostart folder of another machine", "spread", "high", 4, {"T1547.001", "T1570"}};
static const struct beh_rule winrm = {"mamori.lateral.powershell_remoting", "PowerShell remoting (WinRM) between workstations", "spread", "high", 3, {"T1021.006", "T1059.001"}};
static const struct beh_rule weak_ticket = {"mamori.lateral.rc4_ticket", "Kerberos AS-REQ that offers only RC4", "account", "high", 3, {"T1558", "T1550.003"}};
static const struct beh_rule weak_service = {"mamori.lateral.rc4_service_ticket", "Kerberos service ticket asked for with RC4 only (Kerberoasting)", "account", "high", 4, {"T1558.003"}};
struct flood {
    int64_t since_ns;
    uint32_t n;
};
const uint32_t lateral_bytes = sizeof(struct flood);

bool lateral_is_controller(struct beh *b, const struct mmr_addr *a)
{
    struct memory_key k = memory_key(a, NULL, 0);
    char text[NET_ADDR_TEXT];
    const uint32_t *role = memory_find(&b->roles, &k);
    if (role && (*role & ROLE_CONTROLLER))
        return true;
    (void)net_addr_text(a, text);
    for (size_t i = 0; i < b->cfg->domain_controllers.n; i++)
        if (strcmp(b->cfg->domain_controllers.v[i], text) == 0)
            return true;
    return false;
}

static void learn_controller(struct beh *b, const struct mmr_addr *a)
{
    struct memory_key k = memory_key(a, NULL, 0);
    uint32_t *role = memory_get(&b->roles, &k);
    if (role)
        *role |= ROLE_CONTROLLER;
}

/* The arguments a call carried in clear, joined for the message. */
static void join_args(const struct beh_event *e, char *buf, size_t cap)
{
    const struct mmr_value *v = mmr_event_get(&e->view, "unmapped.args");
    struct mmr_array_it it = {0};
    const char *p;
    size_t len, n = 0;
    buf[0] = '\0';
    while (v && n + 1 < cap && mmr_value_next(v, &it, &p, &len)) {
        int w = snprintf(buf + n, cap - n, "%s%.*s", n ? ", " : ": ", (int)(len > 120 ? 120 : len), p);
        n += w > 0 ? (size_t)w : 0;
    }
}

static uint32_t count_netlogon(struct beh *b, const struct beh_where *w, bool add)
{
    struct memory_key k = memory_key(&w->src, &w->dst, 7);
    struct flood *f = memory_get(&b->rpc, &k);
    if (!f)
        return 0;
    if (beh_is_over(w->time_ns, f->since_ns, NETLOGON_S)) {
        f->since_ns = w->time_ns;
        f->n = 0;
    }
    f->n += add;
    return f->n;
}

static void on_call(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char iface[48], op[64], args[400], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    (void)beh_text(e, "unmapped.interface", iface, sizeof iface);
    (void)beh_text(e, "unmapped.operation", op, sizeof op);
    (void)net_addr_text(&w->src, src);
    (void)net_addr_text(&w->dst, dst);
    if (strcmp(iface, "netlogon") == 0) {
        bool is_try = strcmp(op, "NetrServerReqChallenge") == 0 || strncmp(op, "NetrServerAuthenticate", 22) == 0;
        uint32_t n = count_netlogon(b, w, is_try);
        if (is_try && n >= NETLOGON_N)
            beh_find(b, &zerologon, w, "%s sent %u NetrServerReqChallenge and NetrServerAuthenticate calls to %s within %d s (limit %d): Zerologon",
                     src, n, dst, NETLOGON_S, NETLOGON_N);
        if (strcmp(op, "NetrServerPasswordSet2") == 0 && n < NETLOGON_N)
            return; /* machines change their password so once a month */
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        if (strcmp(r->interface, iface) != 0 || strncmp(op, r->operation, strlen(r->operation)) != 0)
            continue;
        if ((r->flags & IF_NOT_CONTROLLER) && lateral_is_controller(b, &w->src))
            continue;
        join_args(e, args, sizeof args);
        beh_find(b, &r->rule, w, "%s called %s::%s on %s port %u%s%s", src, iface, op, dst, w->dst_port,
                 beh_flag(e, "unmapped.encrypted") ? " (encrypted)" : "", args);
        return;
    }
}

/* C$, D$, ADMIN$ and so on; not IPC$ or print$. */
static bool is_admin_share(const char *share)
{
    size_t n = strlen(share);
    const char *name = strrchr(share, '\\');
    name = name ? name + 1 : share;
    return n > 0 && share[n - 1] == '$' &&
           (strcasecmp(name, "ADMIN$") == 0 || (strlen(name) == 2 && ((name[0] | 32) >= 'a' && (name[0] | 32) <= 'z')));
}

static bool path_ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcasecmp(path + n - m, end) == 0;
}

/* The registry hives of accounts and secrets, the directory's database, or an image of the process that knows passwords. */
static void on_open(struct beh *b, const struct beh_event *e)
{
    static const char *const ends[] = {"\\ntds.dit", "config\\SAM", "config\\SECURITY", "config\\RegBack\\SAM", "config\\RegBack\\SYSTEM", "\\lsass.dmp", "\\lsass.zip"};
    const struct beh_where *w = &e->where;
    char path[512], share[128], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    bool is_secret = false;
    (void)beh_text(e, "file.path", path, sizeof path);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        is_secret = is_secret || path_ends_with(path, ends[i]);
    if (is_secret && beh_int(e, "status_id", 1) != 2 && !lateral_is_controller(b, &w->src))
        beh_find(b, &secret_file, w, "%s opened %s on %s of %s", net_addr_text(&w->src, src), path, beh_text(e, "unmapped.share", share, sizeof share), net_addr_text(&w->dst, dst));
}

static void on_write(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char share[128], type[32], path[256], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    (void)beh_text(e, "file.path", path, sizeof path);
    if (strcasestr(path, "\\Start Menu\\Programs\\Startup\\") && !path_ends_with(path, "\\desktop.ini"))
        beh_find(b, &autostart_write, w, "%s wrote %s to %s of %s, which is started when somebody logs on", net_addr_text(&w->src, src), path,
                 beh_text(e, "unmapped.share", share, sizeof share), net_addr_text(&w->dst, dst));
    if (!is_admin_share(beh_text(e, "unmapped.share", share, sizeof share)) || lateral_is_controller(b, &w->src))
        return;
    (void)beh_text(e, "unmapped.file_type", type, sizeof type);
    if (strcmp(type, "exe") == 0 || strcmp(type, "elf") == 0)
        beh_find(b, &admin_write, w, "%s wrote the executable %s to the administrative share %s of %s",
                 net_addr_text(&w->src, src), beh_text(e, "file.path", path, sizeof path), share,
                 net_addr_text(&w->dst, dst));
}

static void on_request(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char path[64], agent[64], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    if (strncasecmp(beh_text(e, "http_request.url.path", path, sizeof path), "/wsman", 6) != 0 ||
        !beh_is(e, "http_request.http_method", "POST") || !(w->zones & MMR_FLOW_SERVER_INSIDE) ||
        lateral_is_controller(b, &w->src) || lateral_is_controller(b, &w->dst))
        return;
    beh_find(b, &winrm, w, "%s runs PowerShell remoting (POST %s, agent \"%s\") on %s port %u", net_addr_text(&w->src, src),
             path, beh_text(e, "http_request.user_agent", agent, sizeof agent), net_addr_text(&w->dst, dst), w->dst_port);
}

/* Is number one of the comma separated ones in list? */
static bool has_number(const char *list, const char *number)
{
    size_t n = strlen(number);
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        if (len == n && memcmp(p, number, n) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

/* Services of a machine's own account or of the domain itself: their passwords are long and random, nobody guesses those. Roasting is for services that
 * run under a person's kind of account. */
bool lateral_is_machines_service(const char *service)
{
    static const char *const classes[] = {"krbtgt", "host/", "ldap/", "cifs/", "gc/", "dns/", "rpcss/", "termsrv/", "wsman/", "restrictedkrbhost/", "kadmin/", "e3514235-"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncasecmp(service, classes[i], strlen(classes[i])) == 0)
            return true;
    size_t n = strlen(service);
    return n == 0 || service[n - 1] == '$';
}

static void on_kerberos(struct beh *b, const struct beh_event *e)
{
    const struct beh_where *w = &e->where;
    char etypes[128], user[128], service[128], src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    learn_controller(b, &w->dst);
    const bool is_service = beh_is(e, "unmapped.message", "TGS-REQ");
    if (!is_service && !beh_is(e, "unmapped.message", "AS-REQ"))
        return;
    (void)beh_text(e, "unmapped.etypes", etypes, sizeof etypes);
    /* 23, 24: RC4; every Windows since Vista offers AES (17, 18) too, so this is a tool or a relic */
    /* Windows before Vista knows no AES, and offers DES-CBC-CRC (1) in every request: that is age, and the tools do not */
    if (!has_number(etypes, "23") || has_number(etypes, "17") || has_number(etypes, "18") || has_number(etypes, "20") || has_number(etypes, "1"))
        return;
    if (is_service) {
        if (!lateral_is_machines_service(beh_text(e, "unmapped.service", service, sizeof service)))
            beh_find(b, &weak_service, w, "%s asked %s for a ticket to %s with RC4 only (etypes %s), which can be guessed at home", net_addr_text(&w->src, src),
                     net_addr_text(&w->dst, dst), service, etypes);
        return;
    }
    beh_find(b, &weak_ticket, w, "%s asked %s for a ticket of %s with RC4 only (etypes %s)", net_addr_text(&w->src, src),
             net_addr_text(&w->dst, dst), beh_text(e, "user.name", user, sizeof user), etypes);
}

void lateral_event(struct beh *b, const struct beh_event *e)
{
    if (strcmp(e->kind, "dcerpc.call") == 0)
        on_call(b, e);
    else if (strcmp(e->kind, "smb.write") == 0)
        on_write(b, e);
    else if (strcmp(e->kind, "smb.open") == 0)
        on_open(b, e);
    else if (strcmp(e->kind, "http.request") == 0)
        on_request(b, e);
    else if (strcmp(e->kind, "krb.request") == 0)
        on_kerberos(b, e);
    else if (strcmp(e->kind, "krb.reply") == 0)
        learn_controller(b, &e->where.dst);
}
