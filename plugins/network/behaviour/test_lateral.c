/*
 * test_lateral.c - from machine to machine: remote administration, shares, tickets, the domain's controllers.
 */
#include "testworld.h"

static void call(struct world *w, const char *src, const char *dst, const char *iface, const char *op)
{
    struct mmr_event *ev = event(w, "dcerpc.call", src, dst, 445, "internal");
    mmr_event_str(ev, "unmapped.interface", iface);
    mmr_event_str(ev, "unmapped.operation", op);
    send_event(w);
}

static void remote_administration_follows_the_table(void **state)
{
    static const struct {
        const char *iface, *op, *rule, *phase;
    } rows[] = {
        {"svcctl", "CreateServiceW", "mamori.lateral.service_create", "spread"},
        {"svcctl", "ControlService", "mamori.lateral.service_control", "spread"},
        {"ITaskSchedulerService", "SchRpcRun", "mamori.lateral.task_run", "spread"},
        {"winreg", "BaseRegCreateKey", "mamori.lateral.registry_set", "spread"},
        {"IDispatch", "Invoke", "mamori.lateral.dcom_invoke", "spread"},
        {"drsuapi", "DRSAddEntry", "mamori.lateral.dcshadow", "account"},
        {"srvsvc", "NetrShareAdd", "mamori.lateral.share_add", "spread"},
        {"netdfs", "NetrDfsRemoveStdRoot", "mamori.lateral.coerced_logon", "account"},
        {"netdfs", "NetrDfsEnum", NULL, NULL},
        {"FssagentRpc", "IsPathShadowCopied", "mamori.lateral.coerced_logon", "account"},
        {"FssagentRpc", "GetSupportedVersion", NULL, NULL},
        {"IRemoteWinspool", "RpcAsyncAddPrinterDriver", "mamori.lateral.driver_add", "spread"},
        {"epmapper", "ept_map", NULL, NULL}, /* what every client asks first */
        {"spoolss", "RpcAddPrinterDriverEx", "mamori.lateral.driver_add", "spread"},
        {"svcctl", "CreateServiceWOW64A", "mamori.lateral.service_create", "spread"},
        {"svcctl", "CloseServiceHandle", NULL, NULL},
        {"ITaskSchedulerService", "SchRpcRegisterTask", "mamori.lateral.task_register", "spread"},
        {"ITaskSchedulerService", "SchRpcHighestVersion", NULL, NULL},
        {"IWbemServices", "ExecMethod", "mamori.lateral.wmi_exec", "spread"},
        {"drsuapi", "DRSGetNCChanges", "mamori.lateral.dcsync", "account"},
        {"drsuapi", "DRSCrackNames", NULL, NULL},
        {"lsarpc", "LsarRetrievePrivateData", "mamori.lateral.lsa_secret", "account"},
        {"lsarpc", "LsarLookupSids", NULL, NULL},
        {"srvsvc", "NetrSessionEnum", "mamori.lateral.session_enum", "spread"},
        {"srvsvc", "NetrShareGetInfo", NULL, NULL},
        {"netlogon", "NetrServerPasswordSet2", NULL, NULL}, /* once a month, by every machine */
        {"winreg", "CreateServiceW", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        call(&w, "192.168.1.5", "192.168.1.6", rows[i].iface, rows[i].op);
        int n = mmr_testhost_count(w.th, "finding");
        if (n != (rows[i].rule != NULL))
            fail_msg("%s::%s: %d findings", rows[i].iface, rows[i].op, n);
        if (rows[i].rule) {
            int f = found(&w, rows[i].rule);
            assert_true(f >= 0);
            assert_string_equal(mmr_testhost_text(w.th, f, "mamori.phase"), rows[i].phase);
            assert_non_null(strstr(mmr_testhost_text(w.th, f, "message"), rows[i].op));
        }
        done(&w);
    }
}

static void controllers_may_replicate(void **state)
{
    static const char *const cfg[] = {"domain_controllers", "192.168.1.3", NULL};
    struct world w;
    (void)state;
    begin(&w, cfg);
    call(&w, "192.168.1.3", "192.168.1.2", "drsuapi", "DRSGetNCChanges"); /* configured */
    mmr_event_str(event(&w, "krb.reply", "192.168.1.9", "192.168.1.2", 88, "internal"), "unmapped.message", "AS-REP");
    send_event(&w);
    call(&w, "192.168.1.2", "192.168.1.3", "drsuapi", "DRSGetNCChanges"); /* learnt: it answers Kerberos */
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    call(&w, "192.168.1.9", "192.168.1.3", "drsuapi", "DRSGetNCChanges");
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    done(&w);
}

static void a_flood_of_netlogon_challenges_is_zerologon(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < 40; k++) {
            w.now += slow ? 120 * MMR_TH_S : MMR_TH_MS;
            call(&w, "192.168.1.5", "192.168.1.2", "netlogon", k & 1 ? "NetrServerAuthenticate2" : "NetrServerReqChallenge");
        }
        call(&w, "192.168.1.5", "192.168.1.2", "netlogon", "NetrServerPasswordSet2");
        assert_int_equal(found(&w, "mamori.lateral.netlogon_flood") >= 0, !slow);
        assert_int_equal(found(&w, "mamori.lateral.netlogon_password") >= 0, !slow);
        done(&w);
    }
}

static void programs_on_administrative_shares_are_told(void **state)
{
    static const struct {
        const char *share, *type;
        bool want;
    } rows[] = {{"\\\\PC2\\C$", "exe", true},   {"\\\\PC2\\ADMIN$", "exe", true}, {"\\\\PC2\\c$", "elf", true},
                {"\\\\PC2\\C$", "pdf", false},  {"\\\\NAS\\tools", "exe", false}, {"\\\\PRN\\print$", "exe", false},
                {"\\\\PC2\\IPC$", "exe", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "smb.write", "192.168.1.5", "192.168.1.6", 445, "internal");
        mmr_event_str(ev, "unmapped.share", rows[i].share);
        mmr_event_str(ev, "unmapped.file_type", rows[i].type);
        mmr_event_str(ev, "file.path", "x.exe");
        send_event(&w);
        if ((found(&w, "mamori.lateral.admin_share_program") >= 0) != rows[i].want)
            fail_msg("%s %s", rows[i].share, rows[i].type);
        done(&w);
    }
}

static void rc4_only_requests_are_told_lists_with_it_are_not(void **state)
{
    static const struct {
        const char *etypes;
        bool want;
    } rows[] = {{"23", true}, {"23,24,-135", true}, {"23,-133,-128,3,1,24,-135", false}, {"18,17,23", false}, {"23,17", false}, {"18", false}, {"-123", false}, {"3,1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "krb.request", "192.168.1.5", "192.168.1.2", 88, "internal");
        mmr_event_str(ev, "unmapped.message", "AS-REQ");
        mmr_event_str(ev, "unmapped.etypes", rows[i].etypes);
        send_event(&w);
        if ((found(&w, "mamori.lateral.rc4_ticket") >= 0) != rows[i].want)
            fail_msg("etypes %s", rows[i].etypes);
        done(&w);
    }
}

static void service_tickets_with_rc4_only_are_roasting(void **state)
{
    static const struct {
        const char *service, *etypes;
        bool want;
    } rows[] = {{"MSSQLSvc/db1.office.example", "23", true}, {"HTTP/web", "23,16,3", true}, {"krbtgt/OFFICE", "23", false}, {"sqlsvc", "23,16,3", true},
                {"MSSQLSvc/db1.office.example", "18,17,23", false}, {"MSSQLSvc/db1.office.example", "23,-133,-128,3,1,24,-135", false}, {"host/xp1.office.example", "23", false}, {"PC1$", "23", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "krb.request", "192.168.1.5", "192.168.1.2", 88, "internal");
        mmr_event_str(ev, "unmapped.message", "TGS-REQ");
        mmr_event_str(ev, "unmapped.service", rows[i].service);
        mmr_event_str(ev, "unmapped.etypes", rows[i].etypes);
        send_event(&w);
        if ((found(&w, "mamori.lateral.rc4_service_ticket") >= 0) != rows[i].want)
            fail_msg("%s %s", rows[i].service, rows[i].etypes);
        done(&w);
    }
}

static void the_same_pair_is_told_once_in_ten_minutes(void **state)
{
    struct world w;
    (void)state;
    begin(&w, NULL);
    for (int k = 0; k < 5; k++) {
        call(&w, "192.168.1.5", "192.168.1.6", "svcctl", "CreateServiceW");
        w.now += MMR_TH_S;
    }
    call(&w, "192.168.1.5", "192.168.1.7", "svcctl", "CreateServiceW"); /* another target */
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 2);
    w.now += 600 * MMR_TH_S;
    call(&w, "192.168.1.5", "192.168.1.6", "svcctl", "CreateServiceW");
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 3);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remote_administration_follows_the_table),
        cmocka_unit_test(controllers_may_replicate),
        cmocka_unit_test(a_flood_of_netlogon_challenges_is_zerologon),
        cmocka_unit_test(programs_on_administrative_shares_are_told),
        cmocka_unit_test(rc4_only_requests_are_told_lists_with_it_are_not),
        cmocka_unit_test(service_tickets_with_rc4_only_are_roasting),
        cmocka_unit_test(the_same_pair_is_told_once_in_ten_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
