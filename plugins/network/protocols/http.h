/* http.h - HTTP/1 by libhtp; here only what the plugin needs to share its configuration. */
#ifndef MMR_PROTO_HTTP_H
#define MMR_PROTO_HTTP_H

void *proto_http_config_new(void); /* NULL: no memory */
void proto_http_config_free(void *cfg);

#endif
