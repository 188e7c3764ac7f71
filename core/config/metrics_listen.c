/* metrics_listen.c - see metrics_listen.h; and the check of what stands in a site's files. */
#include "config/metrics_listen.h"

#include "config/schema.h"
#include "config/value.h"
#include "util/addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const char *text, struct mmr_error *err)
{
    return mmr_fail(err, MMR_ECONFIG, "'metrics.listen': found '%.80s', expected ADDRESS:PORT as in 127.0.0.1:9464, or unix:/PATH", text);
}

int mmr_metrics_listen_read(const char *text, bool is_open, struct mmr_metrics_listen *ret, struct mmr_error *err)
{
    struct mmr_metrics_listen l = {0};
    struct mmr_addr a;
    if (strncmp(text, "unix:", 5) == 0) {
        size_t n = strlen(text + 5);
        if (text[5] != '/' || n > MMR_METRICS_PATH_MAX)
            return mmr_fail(err, MMR_ECONFIG, "'metrics.listen': found '%.80s', expected unix: and an absolute path of at most %d bytes", text, MMR_METRICS_PATH_MAX);
        l.is_unix = true;
        (void)snprintf(l.path, sizeof l.path, "%s", text + 5);
        *ret = l;
        return 0;
    }
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    size_t n = colon ? (size_t)(colon - text) : 0;
    unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
    bool is_bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (!n || n >= sizeof l.host || !port || port > 65535 || *end)
        return wrong(text, err);
    (void)snprintf(l.host, sizeof l.host, "%.*s", (int)(is_bracketed ? n - 2 : n), text + is_bracketed);
    l.is_v6 = strchr(l.host, ':') != NULL;
    if (l.is_v6 != is_bracketed || !mmr_addr_parse(l.host, strlen(l.host), &a))
        return wrong(text, err);
    if (!is_open && !mmr_addr_is_loopback(&a))
        return mmr_fail(err, MMR_ECONFIG, "'metrics.listen': '%.60s' can be reached by others, and whoever reaches it reads the state of this office; "
                                          "use 127.0.0.1 or unix:/PATH, or set metrics.open: yes", text);
    l.port = (uint16_t)port;
    *ret = l;
    return 0;
}

unsigned mmr_metrics_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx)
{
    const struct mmr_yaml *m = mmr_yaml_child(root, "metrics");
    const struct mmr_yaml *at = m && m->type == MMR_YAML_MAP ? mmr_yaml_child(m, "listen") : NULL;
    const struct mmr_yaml *open = at ? mmr_yaml_child(m, "open") : NULL;
    struct mmr_metrics_listen l;
    struct mmr_error err = {.struct_size = sizeof err};
    char why[200];
    int64_t is_open = 0;
    if (open && (open->type != MMR_YAML_SCALAR || !mmr_value_parse(MMR_CFG_BOOL, open->text, 0, 0, &is_open, why, sizeof why)))
        is_open = 0;
    if (!at || at->type != MMR_YAML_SCALAR || mmr_metrics_listen_read(at->text, is_open != 0, &l, &err) == 0)
        return 0;
    mmr_yaml_diag(diag, ctx, at, "%s", err.text);
    return 1;
}
