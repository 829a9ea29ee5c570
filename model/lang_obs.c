/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language: the shape of the observations. They are kept as text; here only their
 * spelling is checked, so that a record that was cut or edited is refused and not compared.
 */
#include <string.h>

#include "model/lang.h"
#include "model/lang_priv.h"

/* The words of an observation after its first, and how far the check has come. */
struct cursor {
	const struct lang_ctx *c;
	const char *cls;
	char *const *word;
	unsigned left;
};

static bool bad(const struct cursor *cur, const char *expected)
{
	return lang_fail(cur->c, LANG_ERROR_WORD, cur->left ? *cur->word : NULL, expected,
			 "observation '%s'", cur->cls);
}

static void advance(struct cursor *cur)
{
	cur->word++;
	cur->left--;
}

static bool at_end(const struct cursor *cur)
{
	return cur->left == 0 || bad(cur, "the end of the line");
}

/* The value of the current word if it is KEY=VALUE with this key, else NULL. */
static const char *value_of(const struct cursor *cur, const char *key)
{
	size_t len = strlen(key);

	if (cur->left == 0 || strncmp(*cur->word, key, len) != 0 || (*cur->word)[len] != '=')
		return NULL;
	return *cur->word + len + 1;
}

static bool number(struct cursor *cur, const char *key, uint64_t *value)
{
	g_autofree char *expected = NULL;
	const char *s = value_of(cur, key);
	uint64_t v;

	if (!s || !lang_parse_u64(s, &v)) {
		expected = g_strdup_printf("%s=NUMBER", key);
		return bad(cur, expected);
	}
	if (value)
		*value = v;
	advance(cur);
	return true;
}

static bool numbers(struct cursor *cur, const char *const *keys)
{
	for (; *keys; keys++)
		if (!number(cur, *keys, NULL))
			return false;
	return true;
}

/* Any number of words KEY=VALUE to the end of the line. */
static bool pairs(struct cursor *cur)
{
	while (cur->left) {
		const char *eq = strchr(*cur->word, '=');

		if (!eq || eq == *cur->word || eq[1] == '\0')
			return bad(cur, "KEY=VALUE");
		advance(cur);
	}
	return true;
}

static bool check_ret(struct cursor *cur)
{
	uint64_t v;
	bool ok;

	if (cur->left == 0)
		return bad(cur, "a number or -ERRNO");
	if (**cur->word == '-')
		ok = lang_errno_from_name(*cur->word + 1) != 0;
	else
		ok = lang_parse_u64(*cur->word, &v);
	if (!ok)
		return bad(cur, "a number or -ERRNO");
	advance(cur);
	return at_end(cur);
}

static bool check_exit(struct cursor *cur)
{
	static const char *const mmio_keys[] = { "gpa", "len", "n", NULL };
	static const char *const reasons[] = { "done",       "internal_error", "shutdown",
					       "userfault",  "memory_fault",   "dirty_ring_full",
					       "mmio-write", "mmio-read" };
	const char *err;
	size_t i = 0;

	if (!number(cur, "vcpu", NULL))
		return false;
	err = value_of(cur, "err");
	if (err) {
		if (!lang_errno_from_name(err))
			return bad(cur, "err=ERRNO");
		advance(cur);
		return pairs(cur);
	}
	while (cur->left && i < G_N_ELEMENTS(reasons) && strcmp(reasons[i], *cur->word) != 0)
		i++;
	if (cur->left == 0 || i == G_N_ELEMENTS(reasons))
		return bad(cur, "done, mmio-write, mmio-read, internal_error, shutdown, userfault, "
				"memory_fault, dirty_ring_full or err=ERRNO");
	advance(cur);
	if (g_str_has_prefix(reasons[i], "mmio-") && !numbers(cur, mmio_keys))
		return false;
	return pairs(cur);
}

static bool check_dirty(struct cursor *cur)
{
	uint64_t n = 0, sum = 0;
	g_autofree struct lang_range *ranges = NULL;
	unsigned nr_ranges;
	const char *pages;

	if (!number(cur, "slot", NULL) || !number(cur, "n", &n))
		return false;
	if (n == 0)
		return at_end(cur);
	pages = value_of(cur, "pages");
	if (!pages || !lang_parse_pages(pages, &ranges, &nr_ranges))
		return bad(cur, "pages= and ascending page numbers and ranges");
	for (unsigned i = 0; i < nr_ranges; i++)
		sum += ranges[i].end - ranges[i].start;
	if (sum != n)
		return bad(cur, "as many pages as n= says");
	advance(cur);
	return at_end(cur);
}

static bool check_trace(struct cursor *cur)
{
	const char *start, *event;
	struct lang_loc loc;

	if (cur->left == 0 || !lang_is_name(*cur->word, false))
		return bad(cur, "the name of an event");
	event = *cur->word;
	advance(cur);
	if (strcmp(event, "call") == 0)
		return (cur->left && lang_is_name(*cur->word, false)) ||
		       bad(cur, "the name of a function");
	if (strcmp(event, "unmap_hva_range") != 0)
		return true;
	/* An input to the model: it must be readable. */
	start = value_of(cur, "start");
	if (!start || !lang_parse_loc(start, &loc))
		return bad(cur, "start=NAME+OFFSET");
	advance(cur);
	return number(cur, "len", NULL) && at_end(cur);
}

static bool is_change(const char *word)
{
	const char *eq = strchr(word, '=');
	uint64_t v;

	return eq && eq != word && (eq[1] == '+' || eq[1] == '-') && lang_parse_u64(eq + 2, &v);
}

static bool check_stat(struct cursor *cur)
{
	uint64_t v;

	if (cur->left == 0 ||
	    (strcmp(*cur->word, "vm") != 0 && !(g_str_has_prefix(*cur->word, "vcpu") &&
						lang_parse_u64(*cur->word + strlen("vcpu"), &v))))
		return bad(cur, "vm or vcpuN");
	advance(cur);
	if (cur->left == 0)
		return bad(cur, "NAME=+CHANGE");
	for (; cur->left; advance(cur))
		if (!is_change(*cur->word))
			return bad(cur, "NAME=+CHANGE or NAME=-CHANGE");
	return true;
}

static bool check_pages(struct cursor *cur)
{
	static const char *const keys[] = { "4k", "2m", "1g", NULL };

	return numbers(cur, keys) && at_end(cur);
}

static bool is_tables(const char *s)
{
	g_auto(GStrv) parts = NULL;
	uint64_t v;

	if (strcmp(s, "-") == 0)
		return true;
	parts = g_strsplit(s, "/", 0);
	if (!*parts)
		return false;
	for (char **p = parts; *p; p++)
		if (!lang_parse_u64(*p, &v))
			return false;
	return true;
}

static bool check_sum(struct cursor *cur)
{
	static const char *const keys[] = { "4k", "2m", "1g", "mmio", NULL };
	const char *tables;

	if (!numbers(cur, keys))
		return false;
	tables = value_of(cur, "tables");
	if (!tables || !is_tables(tables))
		return bad(cur, "tables=ROOT/../LAST or tables=-");
	advance(cur);
	return at_end(cur);
}

static bool is_perm(const char *s)
{
	return strlen(s) == 3 && strchr("r-", s[0]) && strchr("w-", s[1]) && strchr("x-", s[2]);
}

static bool is_size(const char *s)
{
	size_t len = strlen(s);
	uint64_t v;
	g_autofree char *digits = NULL;

	if (len < 2 || !strchr("kmgt", s[len - 1]))
		return false;
	digits = g_strndup(s, len - 1);
	return lang_parse_u64(digits, &v);
}

static bool check_tab(struct cursor *cur)
{
	const char *size, *to, *perm;
	struct lang_loc loc;

	if (!number(cur, "gfn", NULL) || !number(cur, "n", NULL))
		return false;
	size = value_of(cur, "size");
	if (!size || !is_size(size))
		return bad(cur, "size= and a number with k, m, g or t");
	advance(cur);
	if (cur->left && strcmp(*cur->word, "mmio") == 0) {
		advance(cur);
		return pairs(cur);
	}
	to = value_of(cur, "to");
	if (!to || (strcmp(to, "stale") != 0 && !lang_parse_loc(to, &loc)))
		return bad(cur, "mmio, to=NAME+OFFSET or to=stale");
	advance(cur);
	perm = value_of(cur, "perm");
	if (!perm || !is_perm(perm))
		return bad(cur, "perm= and three characters such as rw-");
	advance(cur);
	return pairs(cur);
}

/* Without names it is about all. */
static bool check_invariants(struct cursor *cur, bool must)
{
	const char *inv = value_of(cur, "inv");

	if (!must && cur->left == 0)
		return true;
	if (!inv || !lang_is_name(inv, true))
		return bad(cur, "inv= and names of invariants joined by ','");
	advance(cur);
	return at_end(cur);
}

bool lang_check_obs(const struct lang_ctx *c, char *const *words, unsigned nr_words, bool expect,
		    enum lang_obs_class *cls)
{
	struct cursor cur = { .c = c, .cls = words[0], .word = words + 1, .left = nr_words - 1 };

	*cls = lang_obs_class_from_name(words[0]);
	switch (*cls) {
	case LANG_OBS_RET:
		return check_ret(&cur);
	case LANG_OBS_EXIT:
		return check_exit(&cur);
	case LANG_OBS_DIRTY:
		return check_dirty(&cur);
	case LANG_OBS_TRACE:
		return check_trace(&cur);
	case LANG_OBS_STAT:
		return check_stat(&cur);
	case LANG_OBS_PAGES:
		return check_pages(&cur);
	case LANG_OBS_SUM:
		return check_sum(&cur);
	case LANG_OBS_TAB:
		return check_tab(&cur);
	case LANG_OBS_HOLDS:
	case LANG_OBS_VIOLATED:
		if (expect)
			return check_invariants(&cur, *cls == LANG_OBS_VIOLATED);
		break;
	case LANG_OBS_CLASSES:
		break;
	}
	return lang_fail(c, LANG_ERROR_WORD, words[0],
			 expect ? "ret exit dirty trace stat pages sum tab holds or violated"
				: "ret exit dirty trace stat pages sum or tab",
			 "unknown observation");
}
