/* template.c - see template.h. */
#include "template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 32 };

static void put_json(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            (void)fprintf(f, "\\%c", c);
        else if (c == '\n')
            (void)fputs("\\n", f);
        else if (c < 0x20 || c == 0x7f)
            (void)fprintf(f, "\\u%04x", c);
        else
            (void)fputc(c, f);
    }
}

static void put_form(FILE *f, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (const char *p = text; *p; p++)
        if (strchr(plain, *p))
            (void)fputc(*p, f);
        else
            (void)fprintf(f, "%%%02X", (unsigned char)*p);
}

int mmr_template_fill(const char *text, enum mmr_template_type type, mmr_template_fn value, void *ctx, char **ret, struct mmr_error *err)
{
    char *out = NULL;
    size_t len = 0;
    int r = 0;
    FILE *f = open_memstream(&out, &len);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "template: out of memory");
    for (const char *p = text; *p && !r;) {
        char name[NAME_MAX_BYTES];
        size_t n = *p == '{' ? strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
        if (!n || p[n + 1] != '}' || n >= sizeof name) {
            (void)fputc(*p++, f);
            continue;
        }
        memcpy(name, p + 1, n);
        name[n] = '\0';
        const char *v = value(ctx, name);
        if (!v)
            r = mmr_fail(err, MMR_ECONFIG, "template: nothing is called '{%s}'; see the plugin's README for what there is", name);
        else if (type == MMR_TEMPLATE_JSON)
            put_json(f, v);
        else if (type == MMR_TEMPLATE_FORM)
            put_form(f, v);
        else
            (void)fputs(v, f);
        p += n + 2;
        if (!r && ftell(f) > MMR_TEMPLATE_BODY_MAX)
            r = mmr_fail(err, MMR_ETOOBIG, "template: the body is over %d bytes", MMR_TEMPLATE_BODY_MAX);
    }
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad)
        r = mmr_fail(err, MMR_ENOMEM, "template: out of memory");
    if (r) {
        free(out);
        return r;
    }
    *ret = out;
    return 0;
}
