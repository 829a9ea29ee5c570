/* SPDX-License-Identifier: Apache-2.0 */
/* Right and wrong lines of the scenario language, for test_lang.c. */
#ifndef MODEL_TESTS_LANG_LINES_H
#define MODEL_TESTS_LANG_LINES_H

#include <stddef.h>

#include "model/lang.h"

/* A line, and its canonical text. */
struct lang_good {
	const char *text, *canonical;
};

/* A line, its error, and what the message must say after "f:7: ". */
struct lang_bad {
	const char *text;
	enum lang_error code;
	const char *says;
};

extern const struct lang_good lang_good[];
extern const size_t nr_lang_good;
extern const struct lang_bad lang_bad[];
extern const size_t nr_lang_bad;

#endif
