/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON objects, for all commands with --json. */
#ifndef HARNESS_JSON_H
#define HARNESS_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <json-glib/json-glib.h>

/* json_put_string() - null for NULL. */
void json_put_string(JsonBuilder *b, const char *name, const char *value);
void json_put_int(JsonBuilder *b, const char *name, uint64_t value);
void json_put_bool(JsonBuilder *b, const char *name, bool value);

/* json_print() - appends the finished document and a newline. */
void json_print(JsonBuilder *b, GString *out);

#endif
