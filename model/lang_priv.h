/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the scenario language, for model/lang*.c only.
 *
 * The keys of every input line are listed once, in lang.c; the parser and the printer both work
 * from that list. A field says where its value lives in struct lang_line, how it is spelled and
 * what it is when it is left out.
 */
#ifndef MODEL_LANG_PRIV_H
#define MODEL_LANG_PRIV_H

#include "model/lang.h"

enum lang_field_type {
	FIELD_DEC,    /* number, printed in decimal */
	FIELD_HEX,    /* number, printed in hex */
	FIELD_NAME,   /* letters, digits, '_', '.', '-' */
	FIELD_TEXT,   /* the same and '+', '=', ',', ':', '/', '@' */
	FIELD_CHOICE, /* one of a list of words */
	FIELD_LOC,    /* NAME+OFFSET */
	FIELD_HVA,    /* a plain address in a struct lang_loc */
	FIELD_BITMAP, /* name or plain address; sets has_bitmap */
	FIELD_FLAGS,  /* none|log|ro|gmem|uf joined by '+', or a number */
	FIELD_PAGES,  /* all, or ranges of page numbers */
	FIELD_VCPUS,  /* 0,1,4-7,... as a mask */
	FIELD_TIME,   /* number and unit, in ps; left out it is dflt */
};

enum lang_field_need {
	NEED_NO,     /* dflt holds if it is left out; printed if it differs */
	NEED_YES,    /* always written, always printed */
	NEED_EITHER, /* exactly one of the fields marked so */
};

struct lang_choice {
	const char *word; /* NULL ends a list */
	uint64_t value;
};

struct lang_field {
	const char *key; /* NULL ends a list */
	enum lang_field_type type;
	enum lang_field_need need;
	size_t offset;     /* in struct lang_line */
	size_t size;       /* bytes: 1, 4 or 8 of a number or choice; capacity of a string */
	uint64_t min, max; /* of a number */
	uint64_t dflt;     /* of a number or choice */
	const struct lang_choice *choices;
};

/* One form of input line: its one or two words and its keys. */
struct lang_shape {
	enum lang_kind kind;
	const char *word;
	const char *verb;                /* NULL: there is only one word */
	const struct lang_field *fields; /* NULL: no keys */
};

/* Where a line is being parsed, for messages. */
struct lang_ctx {
	const char *file;
	unsigned line;
	GError **error;
};

/* The form of a kind; NULL for LANG_BLANK, LANG_EXPECT and LANG_OBS. */
const struct lang_shape *lang_shape_of(enum lang_kind kind);

/* All forms, for look-up by word; the last has word == NULL. */
const struct lang_shape *lang_shapes(void);

/* The class of an observation by its first word; LANG_OBS_CLASSES if there is none. */
enum lang_obs_class lang_obs_class_from_name(const char *word);

/* lang_mover_from_name() - "v0", "rcu", ...: sets mover and who; false if there is none such. */
bool lang_mover_from_name(const char *name, struct lang_sched *s);

/* The number or choice of a field. */
uint64_t lang_field_get(const struct lang_line *l, const struct lang_field *f);
void lang_field_set(struct lang_line *l, const struct lang_field *f, uint64_t value);

/* The part of a line that a field of another type lives in. */
void *lang_field_at(struct lang_line *l, const struct lang_field *f);
const void *lang_field_at_const(const struct lang_line *l, const struct lang_field *f);

/**
 * lang_fail() - set "FILE:LINE: what, expected ..., found ..."
 * @c: where
 * @code: of the LANG_ERROR domain
 * @found: the offending word, quoted and cut by this function; NULL for the end of the line
 * @expected: what should have been there
 * @what: printf format of the subject
 *
 * Return: false, for `return lang_fail(...)`.
 */
bool lang_fail(const struct lang_ctx *c, enum lang_error code, const char *found,
	       const char *expected, const char *what, ...) G_GNUC_PRINTF(5, 6);

/* Is a whole string made of the characters of FIELD_NAME (wide: FIELD_TEXT), and not empty. */
bool lang_is_name(const char *s, bool wide);

/**
 * lang_parse_pages() - ranges of page numbers, ascending and not overlapping
 * @s: 0x1,0x3-0x5
 * @ranges: set on success, newly allocated
 * @nr_ranges: set on success, not 0
 */
bool lang_parse_pages(const char *s, struct lang_range **ranges, unsigned *nr_ranges);

/**
 * lang_check_obs() - check the shape of an observation
 * @c: where
 * @words: its words, the class first
 * @nr_words: not 0
 * @expect: after `expect`, where two more classes are known
 * @cls: set on success
 */
bool lang_check_obs(const struct lang_ctx *c, char *const *words, unsigned nr_words, bool expect,
		    enum lang_obs_class *cls);

#endif
