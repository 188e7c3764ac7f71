/* pack.h - the rule files of rules/, inside the plugin. */
#ifndef MAMORI_SIGNATURE_PACK_H
#define MAMORI_SIGNATURE_PACK_H

#include <stddef.h>

struct signature_pack {
    const char *name;
    const unsigned char *data;
    size_t len;
};
extern const struct signature_pack signature_pack[]; /* ends with name NULL */

#endif
