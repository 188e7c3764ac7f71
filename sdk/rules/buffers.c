/* buffers.c - see buffers.h. The tables are data; order is identity within one build only. */
#include <rules/buffers.h>

#include <string.h>

#define TS DIR_TO_SERVER
#define TC DIR_TO_CLIENT
#define TB DIR_BOTH

static const struct buf_kind kinds[] = {
    {"", 0, 0, 0, 0},
    {"payload", 0, TB, 0, 0},
    {"base64_data", 0, TB, 0, 0},
    {"ipv4.hdr", 0, TB, BUF_PACKET, 0},
    {"ipv6.hdr", 0, TB, BUF_PACKET, 0},
    {"tcp.hdr", 0, TB, BUF_PACKET, 0},
    {"udp.hdr", 0, TB, BUF_PACKET, 0},
    {"icmpv4.hdr", 0, TB, BUF_PACKET, 0},
    {"icmpv6.hdr", 0, TB, BUF_PACKET, 0},
    {"eth.hdr", 0, TB, BUF_PACKET, 0},
    {"ip.src", 0, TB, BUF_PACKET, 0},
    {"ip.dst", 0, TB, BUF_PACKET, 0},
    {"http.uri", APP_HTTP_ANY, TS, 0, 0},
    {"http.uri.raw", APP_HTTP_ANY, TS, 0, 0},
    {"http.method", APP_HTTP_ANY, TS, 0, 0},
    {"http.request_line", APP_HTTP_ANY, TS, 0, 0},
    {"http.request_body", APP_HTTP_ANY, TS, 0, 0},
    {"http.response_body", APP_HTTP_ANY, TC, 0, 0},
    {"http.header", APP_HTTP_ANY, TB, 0, 0},
    {"http.header.raw", APP_HTTP_ANY, TB, 0, 0},
    {"http.request_header", APP_HTTP_ANY, TS, BUF_MULTI, 0},
    {"http.response_header", APP_HTTP_ANY, TC, BUF_MULTI, 0},
    {"http.header_names", APP_HTTP_ANY, TB, 0, 0},
    {"http.user_agent", APP_HTTP_ANY, TS, 0, 0},
    {"http.host", APP_HTTP_ANY, TS, BUF_ANYCASE, 0},
    {"http.host.raw", APP_HTTP_ANY, TS, 0, 0},
    {"http.cookie", APP_HTTP_ANY, TB, 0, 0},
    {"http.referer", APP_HTTP_ANY, TS, 0, 0},
    {"http.accept", APP_HTTP_ANY, TS, 0, 0},
    {"http.accept_enc", APP_HTTP_ANY, TS, 0, 0},
    {"http.accept_lang", APP_HTTP_ANY, TS, 0, 0},
    {"http.connection", APP_HTTP_ANY, TB, 0, 0},
    {"http.content_type", APP_HTTP_ANY, TB, 0, 0},
    {"http.content_len", APP_HTTP_ANY, TB, 0, 0},
    {"http.start", APP_HTTP_ANY, TB, 0, 0},
    {"http.protocol", APP_HTTP_ANY, TB, 0, 0},
    {"http.stat_code", APP_HTTP_ANY, TC, 0, 0},
    {"http.stat_msg", APP_HTTP_ANY, TC, 0, 0},
    {"http.response_line", APP_HTTP_ANY, TC, 0, 0},
    {"http.location", APP_HTTP_ANY, TC, 0, 0},
    {"http.server", APP_HTTP_ANY, TC, 0, 0},
    {"file.data", APP_NONE, TB, BUF_MULTI, 0},
    {"file.name", APP_NONE, TB, BUF_MULTI, 0},
    {"filesize", APP_NONE, TB, BUF_MULTI, 0},
    {"dns.query", APP_DNS, TS, BUF_MULTI, 0},
    {"dns.queries.rrname", APP_DNS, TB, BUF_MULTI, 0},
    {"dns.answers.rrname", APP_DNS, TB, BUF_MULTI, 0},
    {"dns.authorities.rrname", APP_DNS, TB, BUF_MULTI, 0},
    {"dns.additionals.rrname", APP_DNS, TB, BUF_MULTI, 0},
    {"dns.response.rrname", APP_DNS, TC, BUF_MULTI, 0},
    {"mdns.queries.rrname", APP_MDNS, TB, BUF_MULTI | BUF_UNSEEN, 0},
    {"mdns.answers.rrname", APP_MDNS, TB, BUF_MULTI | BUF_UNSEEN, 0},
    {"mdns.response.rrname", APP_MDNS, TB, BUF_MULTI | BUF_UNSEEN, 0},
    {"tls.sni", APP_TLS, TS, 0, 0},
    {"tls.certs", APP_TLS, TB, BUF_MULTI, 0},
    {"tls.cert_subject", APP_TLS, TB, 0, 0},
    {"tls.cert_issuer", APP_TLS, TB, 0, 0},
    {"tls.cert_serial", APP_TLS, TB, BUF_ANYCASE, 0},
    {"tls.cert_fingerprint", APP_TLS, TB, BUF_ANYCASE, 0},
    {"tls.subjectaltname", APP_TLS, TB, BUF_MULTI, 0},
    {"tls.random", APP_TLS, TB, 0, 0},
    {"tls.random_time", APP_TLS, TB, 0, 0},
    {"tls.random_bytes", APP_TLS, TB, 0, 0},
    {"tls.cert_chain_len", APP_TLS, TB, 0, 0},
    {"tls.version", APP_TLS, TB, 0, 0},
    {"tls.state", APP_TLS, TB, 0, 0},
    {"tls.cert_not_before", APP_TLS, TC, 0, 0},
    {"tls.cert_not_after", APP_TLS, TC, 0, 0},
    {"tls.cert_time", APP_TLS, TC, 0, 0},
    {"tls.alpn", APP_TLS, TB, BUF_MULTI, 0},
    {"ja3.hash", APP_TLS, TS, BUF_ANYCASE, 0},
    {"ja3.string", APP_TLS, TS, 0, 0},
    {"ja3s.hash", APP_TLS, TC, BUF_ANYCASE, 0},
    {"ja3s.string", APP_TLS, TC, 0, 0},
    {"ja4.hash", APP_TLS, TS, 0, 0},
    {"ssh.proto", APP_SSH, TB, 0, 0},
    {"ssh.software", APP_SSH, TB, 0, 0},
    {"ssh.hassh", APP_SSH, TS, BUF_ANYCASE, 0},
    {"ssh.hassh.server", APP_SSH, TC, BUF_ANYCASE, 0},
    {"ssh.hassh.string", APP_SSH, TS, 0, 0},
    {"ssh.hassh.server.string", APP_SSH, TC, 0, 0},
    {"smb.named_pipe", APP_SMB, TB, 0, 0},
    {"smb.share", APP_SMB, TB, 0, 0},
    {"smb.ntlmssp_user", APP_SMB, TS, 0, 0},
    {"smb.ntlmssp_domain", APP_SMB, TS, 0, 0},
    {"dcerpc.stub_data", APP_NONE, TB, 0, 0},
    {"krb5.cname", APP_KRB5, TB, BUF_MULTI, 0},
    {"krb5.sname", APP_KRB5, TB, BUF_MULTI, 0},
    {"ftp.command", APP_FTP, TS, 0, 0},
    {"ftp.command_data", APP_FTP, TS, 0, 0},
    {"ftp.reply", APP_FTP, TC, BUF_MULTI, 0},
    {"ftp.completion_code", APP_FTP, TC, BUF_MULTI, 0},
    {"ftp.bounce", APP_FTP, TS, 0, 0},
    {"ftpdata_command", APP_FTP_DATA, TB, 0, 0},
    {"smtp.helo", APP_SMTP, TS, 0, 0},
    {"smtp.mail_from", APP_SMTP, TS, 0, 0},
    {"smtp.rcpt_to", APP_SMTP, TS, BUF_MULTI, 0},
    {"email.from", APP_SMTP, TS, 0, 0},
    {"email.to", APP_SMTP, TS, 0, 0},
    {"email.cc", APP_SMTP, TS, 0, 0},
    {"email.subject", APP_SMTP, TS, 0, 0},
    {"email.date", APP_SMTP, TS, 0, 0},
    {"email.message_id", APP_SMTP, TS, 0, 0},
    {"email.x_mailer", APP_SMTP, TS, 0, 0},
    {"email.url", APP_SMTP, TS, BUF_MULTI | BUF_UNSEEN, 0},
    {"email.received", APP_SMTP, TS, BUF_MULTI, 0},
    {"email.body_md5", APP_SMTP, TS, BUF_UNSEEN, 0},
    {"snmp.community", APP_SNMP, TB, 0, 0},
    {"ldap.request.dn", APP_LDAP, TS, 0, 0},
    {"ldap.responses.dn", APP_LDAP, TC, BUF_MULTI | BUF_UNSEEN, 0},
    {"quic.sni", APP_QUIC, TS, BUF_UNSEEN, 0},
    {"quic.version", APP_QUIC, TB, BUF_UNSEEN, 0},
    {"dhcp.hostname", APP_DHCP, TB, BUF_UNSEEN, 0},
    {"dns.opcode", APP_DNS, TB, 0, 0},
    {"dns.rcode", APP_DNS, TB, 0, 0},
    {"dns.rrtype", APP_DNS, TB, BUF_MULTI, 0},
    {"krb5_msg_type", APP_KRB5, TB, 0, 0},
    {"krb5_err_code", APP_KRB5, TC, 0, 0},
    {"krb5.ticket_etype", APP_KRB5, TC, 0, 0},
    {"snmp.version", APP_SNMP, TB, 0, 0},
    {"snmp.pdu_type", APP_SNMP, TB, 0, 0},
};

struct alias {
    const char *word;
    const char *name;
};
static const struct alias sticky_aliases[] = {
    {"file_data", "file.data"}, {"filename", "file.name"}, {"dns_query", "dns.query"}, {"tls_sni", "tls.sni"},
    {"tls_cert_subject", "tls.cert_subject"}, {"tls_cert_issuer", "tls.cert_issuer"},
    {"tls_cert_serial", "tls.cert_serial"}, {"tls_cert_fingerprint", "tls.cert_fingerprint"},
    {"ja3_hash", "ja3.hash"}, {"ja3_string", "ja3.string"}, {"ssh_proto", "ssh.proto"},
    {"ssh_software", "ssh.software"}, {"smb_named_pipe", "smb.named_pipe"}, {"smb_share", "smb.share"},
    {"dce_stub_data", "dcerpc.stub_data"}, {"krb5_cname", "krb5.cname"}, {"krb5_sname", "krb5.sname"},
    {"http_request_line", "http.request_line"}, {"http_response_line", "http.response_line"},
    {"http_header_names", "http.header_names"}, {"http_accept", "http.accept"},
    {"http_accept_enc", "http.accept_enc"}, {"http_accept_lang", "http.accept_lang"},
    {"http_referer", "http.referer"}, {"http_connection", "http.connection"},
    {"http_content_type", "http.content_type"}, {"http_content_len", "http.content_len"},
    {"http_start", "http.start"}, {"http_protocol", "http.protocol"}, {"tls.fingerprint", "tls.cert_fingerprint"},
    {"email.cc", "email.cc"}, {"dns.response.rrname", "dns.response.rrname"}, {"ja4_hash", "ja4.hash"},
    {"dce.stub_data", "dcerpc.stub_data"},
    {"dns.query.name", "dns.queries.rrname"}, {"dns.answer.name", "dns.answers.rrname"},
};
static const struct alias modifiers[] = {
    {"http_uri", "http.uri"}, {"http_raw_uri", "http.uri.raw"}, {"http_method", "http.method"},
    {"http_client_body", "http.request_body"}, {"http_server_body", "http.response_body"},
    {"http_header", "http.header"}, {"http_raw_header", "http.header.raw"}, {"http_cookie", "http.cookie"},
    {"http_user_agent", "http.user_agent"}, {"http_host", "http.host"}, {"http_raw_host", "http.host.raw"},
    {"http_stat_code", "http.stat_code"}, {"http_stat_msg", "http.stat_msg"},
};
static const struct {
    const char *name;
    uint8_t app;
} apps[] = {
    {"http", APP_HTTP_ANY}, {"http1", APP_HTTP1}, {"http2", APP_HTTP2}, {"dns", APP_DNS}, {"doh2", APP_DOH2},
    {"mdns", APP_MDNS}, {"tls", APP_TLS}, {"ssl", APP_TLS}, {"ssh", APP_SSH}, {"smb", APP_SMB},
    {"dcerpc", APP_DCERPC}, {"ftp", APP_FTP}, {"ftp-data", APP_FTP_DATA}, {"smtp", APP_SMTP}, {"krb5", APP_KRB5},
    {"ldap", APP_LDAP}, {"dhcp", APP_DHCP}, {"nfs", APP_NFS}, {"snmp", APP_SNMP}, {"sip", APP_SIP},
    {"rdp", APP_RDP}, {"tftp", APP_TFTP}, {"ike", APP_IKE}, {"ikev2", APP_IKE}, {"quic", APP_QUIC},
    {"mqtt", APP_MQTT}, {"modbus", APP_MODBUS}, {"dnp3", APP_DNP3}, {"enip", APP_ENIP}, {"rfb", APP_RFB},
    {"telnet", APP_TELNET}, {"pop3", APP_POP3}, {"imap", APP_IMAP}, {"ntp", APP_NTP}, {"pgsql", APP_PGSQL},
    {"websocket", APP_WEBSOCKET}, {"bittorrent-dht", APP_BITTORRENT}, {"krb", APP_KRB5}, {"vnc", APP_RFB},
    {"postgresql", APP_PGSQL},
};

const struct buf_kind *mmr_buf_kind(unsigned id)
{
    return id < sizeof kinds / sizeof kinds[0] ? &kinds[id] : NULL;
}


unsigned mmr_buf_by_name(const char *name, size_t len)
{
    for (unsigned i = BUF_LAST_FIXED + 1; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(kinds[i].name, name, len) == 0 && !kinds[i].name[len])
            return i;
    return BUF_NONE;
}

static unsigned by_alias(const struct alias *rows, size_t n, const char *word, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(rows[i].word) == len && strncasecmp(rows[i].word, word, len) == 0)
            for (unsigned k = 1; k < sizeof kinds / sizeof kinds[0]; k++)
                if (strcmp(kinds[k].name, rows[i].name) == 0)
                    return kinds[k].flags & BUF_UNSEEN ? BUF_NONE : k;
    return BUF_NONE;
}

unsigned mmr_buf_by_sticky(const char *name, size_t len)
{
    if (len == 8 && memcmp(name, "pkt_data", 8) == 0)
        return BUF_PAYLOAD;
    for (unsigned i = BUF_BASE64; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, name, len) == 0)
            return kinds[i].flags & BUF_UNSEEN ? BUF_NONE : i;
    return by_alias(sticky_aliases, sizeof sticky_aliases / sizeof sticky_aliases[0], name, len);
}

unsigned mmr_buf_by_modifier(const char *name, size_t len)
{
    return by_alias(modifiers, sizeof modifiers / sizeof modifiers[0], name, len);
}

unsigned mmr_app_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++)
        if (strlen(apps[i].name) == len && strncasecmp(apps[i].name, name, len) == 0)
            return apps[i].app;
    return APP_NONE;
}

unsigned mmr_app_of(const char *app)
{
    if (!app)
        return APP_NONE;
    unsigned id = mmr_app_by_name(app, strlen(app));
    return id == APP_HTTP_ANY ? APP_HTTP1 : id == APP_NONE ? APP_UNKNOWN : id;
}

bool mmr_app_is_parsed(unsigned app)
{
    static const uint8_t unseen[] = {APP_MDNS, APP_NFS, APP_SIP, APP_RDP, APP_TFTP, APP_IKE, APP_QUIC, APP_MQTT, APP_MODBUS, APP_DNP3,
                                     APP_ENIP, APP_RFB, APP_TELNET, APP_POP3, APP_IMAP, APP_NTP, APP_PGSQL, APP_WEBSOCKET, APP_BITTORRENT};
    return !memchr(unseen, (int)app, sizeof unseen);
}

bool mmr_app_covers(unsigned rule_app, unsigned flow_app, bool is_exact)
{
    if (rule_app == flow_app)
        return true;
    if (rule_app == APP_HTTP_ANY)
        return flow_app == APP_HTTP1 || flow_app == APP_HTTP2 || flow_app == APP_DOH2;
    if (is_exact)
        return false;
    /* DNS over HTTP/2 is both; DCE/RPC rules also see what SMB carries */
    if (flow_app == APP_DOH2)
        return rule_app == APP_DNS || rule_app == APP_HTTP2;
    return rule_app == APP_DCERPC && flow_app == APP_SMB;
}
