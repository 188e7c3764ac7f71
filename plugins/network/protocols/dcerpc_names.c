/*
 * dcerpc_names.c - the Windows interfaces an office's attackers and administrators use, with their
 * operations. Source: the Microsoft Open Specifications named at each table.
 */
#include "dcerpc.h"

#include <string.h>
#include <strings.h>

#define UUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                                                 \
    {                                                                                                                  \
        (a)&0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24, (b)&0xff, (b) >> 8, (c)&0xff, (c) >> 8, d0, d1, d2,    \
            d3, d4, d5, d6, d7                                                                                         \
    }

/* [MS-SCMR] */
static const struct rpc_operation svcctl[] = {
    {0, "CloseServiceHandle"}, {1, "ControlService"}, {2, "DeleteService"}, {3, "LockServiceDatabase"},
    {4, "QueryServiceObjectSecurity"}, {5, "SetServiceObjectSecurity"}, {6, "QueryServiceStatus"},
    {7, "SetServiceStatus"}, {8, "UnlockServiceDatabase"}, {11, "ChangeServiceConfigW"}, {12, "CreateServiceW"},
    {13, "EnumDependentServicesW"}, {14, "EnumServicesStatusW"}, {15, "OpenSCManagerW"}, {16, "OpenServiceW"},
    {17, "QueryServiceConfigW"}, {18, "QueryServiceLockStatusW"}, {19, "StartServiceW"},
    {20, "GetServiceDisplayNameW"}, {21, "GetServiceKeyNameW"}, {23, "ChangeServiceConfigA"}, {24, "CreateServiceA"},
    {25, "EnumDependentServicesA"}, {26, "EnumServicesStatusA"}, {27, "OpenSCManagerA"}, {28, "OpenServiceA"},
    {29, "QueryServiceConfigA"}, {30, "QueryServiceLockStatusA"}, {31, "StartServiceA"},
    {36, "ChangeServiceConfig2A"}, {37, "ChangeServiceConfig2W"}, {38, "QueryServiceConfig2A"},
    {39, "QueryServiceConfig2W"}, {40, "QueryServiceStatusEx"}, {41, "EnumServicesStatusExA"},
    {42, "EnumServicesStatusExW"}, {44, "CreateServiceWOW64A"}, {45, "CreateServiceWOW64W"},
    {60, "CreateWowService"}, {64, "OpenSCManager2"}, {0, NULL}};
/* [MS-TSCH] */
static const struct rpc_operation task[] = {
    {0, "SchRpcHighestVersion"}, {1, "SchRpcRegisterTask"}, {2, "SchRpcRetrieveTask"}, {3, "SchRpcCreateFolder"},
    {4, "SchRpcSetSecurity"}, {5, "SchRpcGetSecurity"}, {6, "SchRpcEnumFolders"}, {7, "SchRpcEnumTasks"},
    {8, "SchRpcEnumInstances"}, {9, "SchRpcGetInstanceInfo"}, {10, "SchRpcStopInstance"}, {11, "SchRpcStop"},
    {12, "SchRpcRun"}, {13, "SchRpcDelete"}, {14, "SchRpcRename"}, {15, "SchRpcScheduledRuntimes"},
    {16, "SchRpcGetLastRunInfo"}, {17, "SchRpcGetTaskInfo"}, {18, "SchRpcGetNumberOfMissedRuns"},
    {19, "SchRpcEnableTask"}, {0, NULL}};
static const struct rpc_operation atsvc[] = {
    {0, "NetrJobAdd"}, {1, "NetrJobDel"}, {2, "NetrJobEnum"}, {3, "NetrJobGetInfo"}, {0, NULL}};
static const struct rpc_operation sasec[] = {
    {0, "SASetAccountInformation"}, {1, "SASetNSAccountInformation"}, {2, "SAGetNSAccountInformation"},
    {3, "SAGetAccountInformation"}, {0, NULL}};
/* [MS-RRP] */
static const struct rpc_operation winreg[] = {
    {0, "OpenClassesRoot"}, {1, "OpenCurrentUser"}, {2, "OpenLocalMachine"}, {3, "OpenPerformanceData"},
    {4, "OpenUsers"}, {5, "BaseRegCloseKey"}, {6, "BaseRegCreateKey"}, {7, "BaseRegDeleteKey"},
    {8, "BaseRegDeleteValue"}, {9, "BaseRegEnumKey"}, {10, "BaseRegEnumValue"}, {11, "BaseRegFlushKey"},
    {12, "BaseRegGetKeySecurity"}, {13, "BaseRegLoadKey"}, {15, "BaseRegOpenKey"}, {16, "BaseRegQueryInfoKey"},
    {17, "BaseRegQueryValue"}, {18, "BaseRegReplaceKey"}, {19, "BaseRegRestoreKey"}, {20, "BaseRegSaveKey"},
    {21, "BaseRegSetKeySecurity"}, {22, "BaseRegSetValue"}, {23, "BaseRegUnLoadKey"}, {26, "BaseRegGetVersion"},
    {31, "BaseRegSaveKeyEx"}, {0, NULL}};
/* [MS-DRSR] */
static const struct rpc_operation drsuapi[] = {
    {0, "DRSBind"}, {1, "DRSUnbind"}, {2, "DRSReplicaSync"}, {3, "DRSGetNCChanges"}, {4, "DRSUpdateRefs"},
    {5, "DRSReplicaAdd"}, {6, "DRSReplicaDel"}, {7, "DRSReplicaModify"}, {8, "DRSVerifyNames"},
    {9, "DRSGetMemberships"}, {10, "DRSInterDomainMove"}, {11, "DRSGetNT4ChangeLog"}, {12, "DRSCrackNames"},
    {13, "DRSWriteSPN"}, {14, "DRSRemoveDsServer"}, {15, "DRSRemoveDsDomain"}, {16, "DRSDomainControllerInfo"},
    {17, "DRSAddEntry"}, {18, "DRSExecuteKCC"}, {19, "DRSGetReplInfo"}, {0, NULL}};
/* [MS-NRPC] */
static const struct rpc_operation netlogon[] = {
    {2, "NetrLogonSamLogon"}, {3, "NetrLogonSamLogoff"}, {4, "NetrServerReqChallenge"}, {5, "NetrServerAuthenticate"},
    {6, "NetrServerPasswordSet"}, {7, "NetrDatabaseDeltas"}, {8, "NetrDatabaseSync"}, {11, "NetrGetDCName"},
    {12, "NetrLogonControl"}, {13, "NetrGetAnyDCName"}, {14, "NetrLogonControl2"}, {15, "NetrServerAuthenticate2"},
    {16, "NetrDatabaseSync2"}, {18, "NetrLogonControl2Ex"}, {20, "DsrGetDcName"}, {21, "NetrLogonGetCapabilities"},
    {26, "NetrServerAuthenticate3"}, {27, "DsrGetDcNameEx"}, {28, "DsrGetSiteName"}, {29, "NetrLogonGetDomainInfo"},
    {30, "NetrServerPasswordSet2"}, {31, "NetrServerPasswordGet"}, {34, "DsrGetDcNameEx2"},
    {39, "NetrLogonSamLogonEx"}, {40, "DsrEnumerateDomainTrusts"}, {42, "NetrServerTrustPasswordsGet"},
    {45, "NetrLogonSamLogonWithFlags"}, {46, "NetrServerGetTrustInfo"}, {0, NULL}};
/* [MS-SAMR] */
static const struct rpc_operation samr[] = {
    {0, "SamrConnect"}, {1, "SamrCloseHandle"}, {5, "SamrLookupDomainInSamServer"},
    {6, "SamrEnumerateDomainsInSamServer"}, {7, "SamrOpenDomain"}, {8, "SamrQueryInformationDomain"},
    {10, "SamrCreateGroupInDomain"}, {11, "SamrEnumerateGroupsInDomain"}, {12, "SamrCreateUserInDomain"},
    {13, "SamrEnumerateUsersInDomain"}, {15, "SamrEnumerateAliasesInDomain"}, {16, "SamrGetAliasMembership"},
    {17, "SamrLookupNamesInDomain"}, {18, "SamrLookupIdsInDomain"}, {19, "SamrOpenGroup"},
    {25, "SamrGetMembersInGroup"}, {27, "SamrOpenAlias"}, {33, "SamrGetMembersInAlias"}, {34, "SamrOpenUser"},
    {35, "SamrDeleteUser"}, {36, "SamrQueryInformationUser"}, {37, "SamrSetInformationUser"},
    {38, "SamrChangePasswordUser"}, {39, "SamrGetGroupsForUser"}, {40, "SamrQueryDisplayInformation"},
    {46, "SamrQueryInformationDomain2"}, {47, "SamrQueryInformationUser2"}, {50, "SamrCreateUser2InDomain"},
    {55, "SamrUnicodeChangePasswordUser2"}, {57, "SamrConnect2"}, {58, "SamrSetInformationUser2"},
    {62, "SamrConnect4"}, {64, "SamrConnect5"}, {0, NULL}};
/* [MS-LSAD], [MS-LSAT] */
static const struct rpc_operation lsarpc[] = {
    {0, "LsarClose"}, {2, "LsarEnumeratePrivileges"}, {6, "LsarOpenPolicy"}, {7, "LsarQueryInformationPolicy"},
    {8, "LsarSetInformationPolicy"}, {10, "LsarCreateAccount"}, {11, "LsarEnumerateAccounts"},
    {12, "LsarCreateTrustedDomain"}, {13, "LsarEnumerateTrustedDomains"}, {14, "LsarLookupNames"},
    {15, "LsarLookupSids"}, {16, "LsarCreateSecret"}, {17, "LsarOpenAccount"}, {28, "LsarOpenSecret"},
    {29, "LsarSetSecret"}, {30, "LsarQuerySecret"}, {37, "LsarAddAccountRights"}, {42, "LsarStorePrivateData"},
    {43, "LsarRetrievePrivateData"}, {44, "LsarOpenPolicy2"}, {46, "LsarQueryInformationPolicy2"},
    {50, "LsarEnumerateTrustedDomainsEx"}, {57, "LsarLookupSids2"}, {58, "LsarLookupNames2"},
    {68, "LsarLookupNames3"}, {76, "LsarLookupSids3"}, {77, "LsarLookupNames4"}, {0, NULL}};
/* [MS-BKRP] */
static const struct rpc_operation backupkey[] = {{0, "BackuprKey"}, {0, NULL}};
/* [MS-SRVS] */
static const struct rpc_operation srvsvc[] = {
    {8, "NetrConnectionEnum"}, {9, "NetrFileEnum"}, {10, "NetrFileGetInfo"}, {11, "NetrFileClose"},
    {12, "NetrSessionEnum"}, {13, "NetrSessionDel"}, {14, "NetrShareAdd"}, {15, "NetrShareEnum"},
    {16, "NetrShareGetInfo"}, {17, "NetrShareSetInfo"}, {18, "NetrShareDel"}, {21, "NetrServerGetInfo"},
    {28, "NetrRemoteTOD"}, {36, "NetrShareEnumSticky"}, {0, NULL}};
/* [MS-WKST] */
static const struct rpc_operation wkssvc[] = {
    {0, "NetrWkstaGetInfo"}, {2, "NetrWkstaUserEnum"}, {5, "NetrWkstaTransportEnum"}, {8, "NetrUseAdd"}, {0, NULL}};
/* C706 appendix O */
static const struct rpc_operation epm[] = {
    {0, "ept_insert"}, {1, "ept_delete"}, {2, "ept_lookup"}, {3, "ept_map"}, {4, "ept_lookup_handle_free"}, {0, NULL}};
/* [MS-DCOM] */
static const struct rpc_operation remote_activation[] = {{0, "RemoteActivation"}, {0, NULL}};
static const struct rpc_operation system_activator[] = {
    {3, "RemoteGetClassObject"}, {4, "RemoteCreateInstance"}, {0, NULL}};
static const struct rpc_operation oxid[] = {
    {0, "ResolveOxid"}, {1, "SimplePing"}, {2, "ComplexPing"}, {3, "ServerAlive"}, {4, "ResolveOxid2"},
    {5, "ServerAlive2"}, {0, NULL}};
static const struct rpc_operation rem_unknown[] = {
    {3, "RemQueryInterface"}, {4, "RemAddRef"}, {5, "RemRelease"}, {6, "RemQueryInterface2"}, {0, NULL}};
static const struct rpc_operation dispatch[] = {
    {3, "GetTypeInfoCount"}, {4, "GetTypeInfo"}, {5, "GetIDsOfNames"}, {6, "Invoke"}, {0, NULL}};
/* [MS-WMI] */
static const struct rpc_operation wbem_login[] = {
    {3, "EstablishPosition"}, {4, "RequestChallenge"}, {5, "WBEMLogin"}, {6, "NTLMLogin"}, {0, NULL}};
static const struct rpc_operation wbem_services[] = {
    {3, "OpenNamespace"}, {4, "CancelAsyncCall"}, {5, "QueryObjectSink"}, {6, "GetObject"}, {7, "GetObjectAsync"},
    {8, "PutClass"}, {9, "PutClassAsync"}, {10, "DeleteClass"}, {11, "DeleteClassAsync"}, {12, "CreateClassEnum"},
    {14, "PutInstance"}, {15, "PutInstanceAsync"}, {16, "DeleteInstance"}, {18, "CreateInstanceEnum"},
    {20, "ExecQuery"}, {21, "ExecQueryAsync"}, {22, "ExecNotificationQuery"}, {23, "ExecNotificationQueryAsync"},
    {24, "ExecMethod"}, {25, "ExecMethodAsync"}, {0, NULL}};
static const struct rpc_operation wbem_enum[] = {{3, "Reset"}, {4, "Next"}, {5, "NextAsync"}, {6, "Clone"}, {0, NULL}};
/* [MS-RPRN] */
static const struct rpc_operation spoolss[] = {
    {0, "RpcEnumPrinters"}, {1, "RpcOpenPrinter"}, {9, "RpcAddPrinterDriver"},
    {65, "RpcRemoteFindFirstPrinterChangeNotificationEx"}, {69, "RpcOpenPrinterEx"},
    {89, "RpcAddPrinterDriverEx"}, {0, NULL}};
/* [MS-EFSR] */
static const struct rpc_operation efsrpc[] = {
    {0, "EfsRpcOpenFileRaw"}, {4, "EfsRpcEncryptFileSrv"}, {5, "EfsRpcDecryptFileSrv"}, {6, "EfsRpcQueryUsersOnFile"},
    {7, "EfsRpcQueryRecoveryAgents"}, {8, "EfsRpcRemoveUsersFromFile"}, {9, "EfsRpcAddUsersToFile"}, {12, "EfsRpcFileKeyInfo"},
    {13, "EfsRpcDuplicateEncryptionInfoFile"}, {15, "EfsRpcAddUsersToFileEx"}, {16, "EfsRpcFileKeyInfoEx"}, {0, NULL}};
/* [MS-DFSNM], [MS-FSRVP], [MS-PAR] */
static const struct rpc_operation netdfs[] = {
    {1, "NetrDfsAdd"}, {2, "NetrDfsRemove"}, {5, "NetrDfsEnum"}, {12, "NetrDfsAddStdRoot"}, {13, "NetrDfsRemoveStdRoot"}, {21, "NetrDfsEnumEx"},
    {0, NULL}};
static const struct rpc_operation shadow_copy[] = {
    {0, "GetSupportedVersion"}, {8, "IsPathSupported"}, {9, "IsPathShadowCopied"}, {0, NULL}};
static const struct rpc_operation print_async[] = {
    {0, "RpcAsyncOpenPrinter"}, {39, "RpcAsyncAddPrinterDriver"}, {62, "RpcAsyncInstallPrinterDriverFromPackage"}, {0, NULL}};
/* [MS-RSP] */
static const struct rpc_operation shutdown[] = {
    {0, "BaseInitiateShutdown"}, {1, "BaseAbortShutdown"}, {2, "BaseInitiateShutdownEx"}, {0, NULL}};

static const struct {
    uint8_t uuid[16];
    struct rpc_interface iface;
} rows[] = {
    {UUID(0x367abb81U, 0x9844, 0x35f1, 0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03), {"svcctl", svcctl}},
    {UUID(0x86d35949U, 0x83c9, 0x4044, 0xb4, 0x24, 0xdb, 0x36, 0x32, 0x31, 0xfd, 0x0c), {"ITaskSchedulerService", task}},
    {UUID(0x1ff70682U, 0x0a51, 0x30e8, 0x07, 0x6d, 0x74, 0x0b, 0xe8, 0xce, 0xe9, 0x8b), {"atsvc", atsvc}},
    {UUID(0x378e52b0U, 0xc0a9, 0x11cf, 0x82, 0x2d, 0x00, 0xaa, 0x00, 0x51, 0xe4, 0x0f), {"sasec", sasec}},
    {UUID(0x338cd001U, 0x2244, 0x31f1, 0xaa, 0xaa, 0x90, 0x00, 0x38, 0x00, 0x10, 0x03), {"winreg", winreg}},
    {UUID(0xe3514235U, 0x4b06, 0x11d1, 0xab, 0x04, 0x00, 0xc0, 0x4f, 0xc2, 0xdc, 0xd2), {"drsuapi", drsuapi}},
    {UUID(0x12345678U, 0x1234, 0xabcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0xcf, 0xfb), {"netlogon", netlogon}},
    {UUID(0x12345778U, 0x1234, 0xabcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac), {"samr", samr}},
    {UUID(0x12345778U, 0x1234, 0xabcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab), {"lsarpc", lsarpc}},
    {UUID(0x3dde7c30U, 0x165d, 0x11d1, 0xab, 0x8f, 0x00, 0x80, 0x5f, 0x14, 0xdb, 0x40), {"backupkey", backupkey}},
    {UUID(0x4b324fc8U, 0x1670, 0x01d3, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88), {"srvsvc", srvsvc}},
    {UUID(0x6bffd098U, 0xa112, 0x3610, 0x98, 0x33, 0x46, 0xc3, 0xf8, 0x7e, 0x34, 0x5a), {"wkssvc", wkssvc}},
    {UUID(0xe1af8308U, 0x5d1f, 0x11c9, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa), {"epmapper", epm}},
    {UUID(0x4d9f4ab8U, 0x7d1c, 0x11cf, 0x86, 0x1e, 0x00, 0x20, 0xaf, 0x6e, 0x7c, 0x57), {"IRemoteActivation", remote_activation}},
    {UUID(0x000001a0U, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46), {"ISystemActivator", system_activator}},
    {UUID(0x99fcfec4U, 0x5260, 0x101b, 0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a), {"IObjectExporter", oxid}},
    {UUID(0x00000131U, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46), {"IRemUnknown", rem_unknown}},
    {UUID(0x00000143U, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46), {"IRemUnknown2", rem_unknown}},
    {UUID(0x00020400U, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46), {"IDispatch", dispatch}},
    {UUID(0xf309ad18U, 0xd86a, 0x11d0, 0xa0, 0x75, 0x00, 0xc0, 0x4f, 0xb6, 0x88, 0x20), {"IWbemLevel1Login", wbem_login}},
    {UUID(0x9556dc99U, 0x828c, 0x11cf, 0xa3, 0x7e, 0x00, 0xaa, 0x00, 0x32, 0x40, 0xc7), {"IWbemServices", wbem_services}},
    {UUID(0x027947e1U, 0xd731, 0x11ce, 0xa3, 0x57, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01), {"IEnumWbemClassObject", wbem_enum}},
    {UUID(0x12345678U, 0x1234, 0xabcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab), {"spoolss", spoolss}},
    {UUID(0xc681d488U, 0xd850, 0x11d0, 0x8c, 0x52, 0x00, 0xc0, 0x4f, 0xd9, 0x0f, 0x7e), {"efsrpc", efsrpc}},
    {UUID(0xdf1941c5U, 0xfe89, 0x4e79, 0xbf, 0x10, 0x46, 0x36, 0x57, 0xac, 0xf4, 0x4d), {"efsrpc", efsrpc}},
    {UUID(0x4fc742e0U, 0x4a10, 0x11cf, 0x82, 0x73, 0x00, 0xaa, 0x00, 0x4a, 0xe6, 0x73), {"netdfs", netdfs}},
    {UUID(0xa8e0653cU, 0x2744, 0x4389, 0xa6, 0x1d, 0x73, 0x73, 0xdf, 0x8b, 0x22, 0x92), {"FssagentRpc", shadow_copy}},
    {UUID(0x76f03f96U, 0xcdfd, 0x44fc, 0xa2, 0x2c, 0x64, 0x95, 0x0a, 0x00, 0x12, 0x09), {"IRemoteWinspool", print_async}},
    {UUID(0x894de0c0U, 0x0d55, 0x11d3, 0xa3, 0x22, 0x00, 0xc0, 0x4f, 0xa3, 0x21, 0xa1), {"initshutdown", shutdown}},
};

const struct rpc_interface *rpc_interface_find(const uint8_t uuid[16])
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (memcmp(rows[i].uuid, uuid, 16) == 0)
            return &rows[i].iface;
    return NULL;
}

const struct rpc_interface *rpc_interface_of_pipe(const char *pipe)
{
    if (strcasecmp(pipe, "ntsvcs") == 0)
        pipe = "svcctl";
    for (size_t i = 0; pipe[0] && i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(rows[i].iface.name, pipe) == 0)
            return &rows[i].iface;
    return NULL;
}

const char *rpc_operation_name(const struct rpc_interface *i, uint16_t opnum)
{
    for (const struct rpc_operation *o = i->ops; o->name; o++)
        if (o->opnum == opnum)
            return o->name;
    return NULL;
}
