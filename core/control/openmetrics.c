/* openmetrics.c - see openmetrics.h. */
#include "control/openmetrics.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void mmr_om_family(struct mmr_om *m, const char *name, enum mmr_om_type type, const char *unit, const char *help)
{
    static const char *const types[] = {"gauge", "counter", "info", "stateset"};
    m->name = name;
    m->type = type;
    (void)fprintf(m->f, "# TYPE %s %s\n", name, types[type]);
    if (unit)
        (void)fprintf(m->f, "# UNIT %s %s\n", name, unit);
    (void)fprintf(m->f, "# HELP %s %s\n", name, help);
}

static void put_value(FILE *f, const char *text)
{
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        const unsigned char c = (unsigned char)*text;
        n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (n > left || !mmr_is_utf8(text, n)) {
            n = 1;
            (void)fputc('?', f);
        } else if (c == '\\' || c == '"') {
            (void)fprintf(f, "\\%c", c);
        } else if (c == '\n') {
            (void)fputs("\\n", f);
        } else {
            (void)fwrite(text, 1, n, f);
        }
    }
}

static void head(const struct mmr_om *m, const char *const *label)
{
    (void)fprintf(m->f, "%s%s", m->name, m->type == MMR_OM_COUNTER ? "_total" : m->type == MMR_OM_INFO ? "_info" : "");
    for (size_t i = 0; label && label[i]; i += 2) {
        (void)fprintf(m->f, "%s%s=\"", i ? "," : "{", label[i]);
        put_value(m->f, label[i + 1]);
        (void)fputc('"', m->f);
    }
    if (label && label[0])
        (void)fputc('}', m->f);
}

void mmr_om_sample(struct mmr_om *m, double value, const char *const *label)
{
    head(m, label);
    if (isnan(value))
        (void)fputs(" NaN\n", m->f);
    else if (isinf(value))
        (void)fputs(value > 0 ? " +Inf\n" : " -Inf\n", m->f);
    else
        (void)fprintf(m->f, " %.15g\n", value);
}

void mmr_om_count(struct mmr_om *m, uint64_t value, const char *const *label)
{
    head(m, label);
    (void)fprintf(m->f, " %" PRIu64 "\n", value);
}

void mmr_om_end(struct mmr_om *m)
{
    (void)fputs("# EOF\n", m->f);
}
