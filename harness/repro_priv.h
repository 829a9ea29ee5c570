/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by repro.c and repro_lines.c, and what cmake/S2Embed.cmake builds into the program. */
#ifndef HARNESS_REPRO_PRIV_H
#define HARNESS_REPRO_PRIV_H

#include "harness/repro.h"

/* The parts that all programs have in common: harness/repro/. */
struct repro_builtin {
	const char *file;
	const char *text;
	size_t size;
};

extern const struct repro_builtin repro_builtins[];
extern const char *const repro_builtin_names[]; /* in the same order, ending with NULL */

/* What lines of a scenario mean in its program. */
struct repro_names {
	GPtrArray *maps;                /* of const char *: host memory, by number */
	uint64_t page, block;           /* of the model, in bytes */
	uint64_t real_page, real_block; /* of the machine */
};

/* repro_why_not() - why a line cannot be part of a program; NULL: it can. */
const char *repro_why_not(const struct repro_names *names, const struct lang_line *l);

/* repro_has_code() - the line does something. */
bool repro_has_code(const struct lang_line *l);

/* repro_print_line() - a statement that does what the line says, without its end of line. */
void repro_print_line(const struct repro_names *names, const struct lang_line *l, GString *out);

/* repro_print_request() - a guest line's accesses as an initializer. */
void repro_print_request(const struct lang_guest *g, enum lang_kind kind, GString *out);

/* repro_print_comment() - a text within a comment: nothing in it ends the comment. */
void repro_print_comment(const char *text, GString *out);

#endif
