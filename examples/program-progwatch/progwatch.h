/* progwatch.h - what progwatch decides, for its test. */
#ifndef PROGWATCH_H
#define PROGWATCH_H

#include <msgpack.h>

int progwatch_is_named(const msgpack_object *list, const char *name, size_t len); /* 1: it is on the list */
/* The finding of an event whose process.name is a text, as a map in ret (initialised by the caller). */
void progwatch_finding(const msgpack_object *event, msgpack_sbuffer *ret);

#endif
