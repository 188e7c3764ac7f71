/*
 * mamori/render.h - a plugin that turns a record for people into a page, asked through its extension "mamori.render/0".
 * Pure: no instance, no state; it may be called without create().
 *
 * source  mamori's own (docs/wire.md)
 */
#ifndef MAMORI_RENDER_H
#define MAMORI_RENDER_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMR_RENDER_ID "mamori.render/0"
struct mmr_render_ops {
    uint32_t struct_size, reserved;
    /* [any] json, len: the record, UTF-8, borrowed (docs/wire.md). ret_html, ret_text: returned, NUL-terminated, the caller's to free();
     * either may be NULL: not wanted. errors MMR_EBADMSG: not such a record; MMR_ENOMEM */
    int (*render)(const char *json, size_t len, char **ret_html, char **ret_text, struct mmr_error *err);
};

#ifdef __cplusplus
}
#endif
#endif
