/* plugin_facts.h - what a plugin says of itself, as JSON. Its code runs only in a process of its own, without privileges. */
#ifndef MMR_CLI_PLUGIN_FACTS_H
#define MMR_CLI_PLUGIN_FACTS_H

#include "config/config.h"
#include "plugin/admit.h"

#include <json-c/json.h>

/*
 * mmr_plugin_facts - id, name, model, maker, version, license, doc, side, roles, capabilities, needs, actions, events,
 * subscribes, config of a sound plugin.
 *
 * p     a built-in's descriptor; NULL: the sealed file fd is loaded, in a child
 * name  what to call it in messages
 * ret   returned; json_object_put()
 * errors MMR_EBADMSG it does not load, or breaks the rules; MMR_EPERM it did not end well; MMR_EIO
 */
int mmr_plugin_facts(const struct mmr_plugin *p, int fd, const char *name, struct json_object **ret, struct mmr_error *err);
/* Its configuration's rows as a descriptor that a configuration can be held against; nothing else of it is there.
 * ret: borrows from facts; free() ret->config. errors MMR_ENOMEM */
int mmr_plugin_fact_rows(struct json_object *facts, struct mmr_plugin *ret, struct mmr_error *err);
/* The words of one of its lists with a space between. */
void mmr_plugin_fact_words(struct json_object *facts, const char *key, char *buf, size_t cap);
/* By file (with a '/' or ending in .so) or by id in the folders of c; sealed, not judged. */
int mmr_plugin_named(const struct mmr_config *c, const char *what, struct mmr_admission *ret, struct mmr_error *err);

#endif
