/* topic.c - borrowed structs handed from one instance to the sinks of the others, in instance order. */
#include "plugin/runtime_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct mmr_sink *sink_of(const struct mmr_rt_instance *in, const char *id)
{
    if (!in->self || !in->plugin->extension)
        return NULL;
    const struct mmr_sink *s = in->plugin->extension(id);
    return s && MMR_HAS(s, item) ? s : NULL;
}

static void publish(void *impl, const struct mmr_topic *topic, const void *item)
{
    struct mmr_rt_instance *from = impl;
    struct mmr_runtime *rt = from->rt;
    const struct mmr_rt_topic *t = (const void *)topic; /* pub is its first member */

    if (!mmr_rt_on_loop(from, "publish"))
        return;
    if (rt->topic_depth == TOPIC_DEPTH_MAX) {
        mmr_rt_misbehaved(from, "topics published inside one another too deeply");
        return;
    }
    rt->topic_depth++;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct mmr_rt_sink *s = &t->sinks[i];
        if (s->instance == from->index || rt->inst[s->instance]->group != from->group)
            continue;
        struct mmr_rt_was was = mmr_rt_enter(rt, rt->inst[s->instance], MMR_DOING_ITEM);
        s->item(s->self, item);
        mmr_rt_leave(rt, was);
    }
    rt->topic_depth--;
}

static void collect_sinks(struct mmr_runtime *rt, struct mmr_rt_topic *t)
{
    t->n = 0;
    for (uint32_t i = 0; i < rt->n; i++) {
        const struct mmr_sink *s = sink_of(rt->inst[i], t->id);
        if (s)
            t->sinks[t->n++] = (struct mmr_rt_sink){s->item, rt->inst[i]->self, i};
    }
    t->pub.sinks = t->n;
}

void mmr_rt_topics_rebuild(struct mmr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->n_topics; i++)
        collect_sinks(rt, rt->topics[i]);
}

const void *mmr_rt_extension(void *impl, const char *id)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    size_t len;

    if (!mmr_rt_on_loop(in, "extension") || !id || (len = strnlen(id, 64)) == 64 || len == 0)
        return NULL;
    for (uint32_t i = 0; i < rt->n_topics; i++)
        if (strcmp(rt->topics[i]->id, id) == 0)
            return &rt->topics[i]->pub;
    if (rt->n_topics == MMR_RUNTIME_TOPICS_MAX)
        return NULL;
    struct mmr_rt_topic *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->pub = (struct mmr_topic){.struct_size = sizeof t->pub, .publish = publish};
    memcpy(t->id, id, len);
    collect_sinks(rt, t);
    rt->topics[rt->n_topics++] = t;
    return &t->pub;
}

bool mmr_rt_has_sink(struct mmr_runtime *rt, const struct mmr_rt_instance *in)
{
    for (uint32_t i = 0; i < rt->n_topics; i++)
        for (uint32_t j = 0; j < rt->topics[i]->n; j++)
            if (rt->topics[i]->sinks[j].instance == in->index)
                return true;
    return false;
}
