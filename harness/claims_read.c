/* SPDX-License-Identifier: Apache-2.0 */
/* Ledgers of claims as text. */
#include <string.h>
#include <yaml.h>

#include "harness/claims_priv.h"
#include "traces/define.h"
#include "traces/record.h"

G_DEFINE_QUARK(s2_claims_error, claims_error)

const char *const claim_relations[NR_RELATIONS] = { "less", "at-most", "equal", "at-least",
						    "more" };

struct reader {
	const char *file;
	struct ledger *out;
	yaml_document_t doc;
	GError **error;
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as they are read in the message */
static bool refuse(struct reader *r, const yaml_mark_t *at, const char *expected, const char *found)
{
	g_autofree char *quoted = g_strescape(found, NULL);

	g_set_error(r->error, CLAIMS_ERROR, CLAIMS_ERROR_LEDGER,
		    "%s:%zu:%zu: expected %s, found '%.80s'", r->file, at->line + 1, at->column + 1,
		    expected, quoted);
	return false;
}

static const char *kind_of(const yaml_node_t *n)
{
	if (n->type == YAML_SCALAR_NODE)
		return (const char *)n->data.scalar.value;
	return n->type == YAML_SEQUENCE_NODE  ? "a list"
	       : n->type == YAML_MAPPING_NODE ? "a mapping"
					      : "nothing";
}

static bool refuse_node(struct reader *r, const yaml_node_t *n, const char *expected)
{
	return refuse(r, &n->start_mark, expected, kind_of(n));
}

static yaml_node_t *node(struct reader *r, int i)
{
	return yaml_document_get_node(&r->doc, i);
}

/* ---- mappings -------------------------------------------------------------------------------- */

/* A key of a mapping and what reads its value into @to. */
struct key {
	const char *name;
	bool (*read)(struct reader *r, const yaml_node_t *n, void *to, const char *name);
	size_t offset;
};

static bool read_text(struct reader *r, const yaml_node_t *n, void *to, const char *name)
{
	char **text = to;

	if (n->type != YAML_SCALAR_NODE || n->data.scalar.length == 0) {
		g_autofree char *expected = g_strdup_printf("a text for '%s'", name);

		return refuse_node(r, n, expected);
	}
	*text = g_strstrip(g_strdup((const char *)n->data.scalar.value));
	return true;
}

static bool read_flag(struct reader *r, const yaml_node_t *n, void *to, const char *name)
{
	(void)name;
	if (strcmp(kind_of(n), "true") != 0)
		return refuse_node(r, n, "true");
	*(bool *)to = true;
	return true;
}

/* One text, or a list of them. */
static bool read_list(struct reader *r, const yaml_node_t *n, void *to, const char *name)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

	if (n->type == YAML_SCALAR_NODE) {
		g_ptr_array_add(list, NULL);
		if (!read_text(r, n, &list->pdata[0], name))
			return false;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start;
	     n->type == YAML_SEQUENCE_NODE && i < n->data.sequence.items.top; i++) {
		char *text = NULL;

		if (!read_text(r, node(r, *i), &text, name))
			return false;
		g_ptr_array_add(list, text);
	}
	if (!list->len)
		return refuse_node(r, n, "a text, or a list of at least one");
	g_ptr_array_add(list, NULL);
	*(GStrv *)to = (GStrv)g_ptr_array_steal(list, NULL);
	return true;
}

static void free_with(void *p)
{
	struct claim_with *w = p;

	g_free(w->name);
	g_strfreev(w->values);
	g_free(w);
}

static bool read_with(struct reader *r, const yaml_node_t *n, void *to, const char *name)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(free_with);

	(void)name;
	*(GPtrArray **)to = list;
	if (n->type != YAML_MAPPING_NODE)
		return refuse_node(r, n, "a mapping of names to values");
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		struct claim_with *w = g_new0(struct claim_with, 1);

		g_ptr_array_add(list, w);
		if (!read_text(r, node(r, p->key), &w->name, "a name") ||
		    !read_list(r, node(r, p->value), &w->values, w->name))
			return false;
	}
	return true;
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name) != 0)
		keys++;
	return keys->name ? keys : NULL;
}

/* Each key at most once; others are refused. */
static bool read_mapping(struct reader *r, const yaml_node_t *n, const struct key *keys, void *to)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GString) names = g_string_new("one of");

	for (const struct key *k = keys; k->name; k++)
		g_string_append_printf(names, " %s", k->name);
	if (n->type != YAML_MAPPING_NODE)
		return refuse_node(r, n, "a mapping");
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = node(r, p->key);
		const struct key *k = find_key(keys, kind_of(key));

		if (!k)
			return refuse_node(r, key, names->str);
		if (!g_hash_table_insert(seen, g_strdup(k->name), NULL))
			return refuse_node(r, key, "each key once");
		if (!k->read(r, node(r, p->value), (char *)to + k->offset, k->name))
			return false;
	}
	return true;
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* As written, before it is known what belongs together. */
struct raw_run {
	struct claim_run run;
	char *check[CHECK_COUNT + 1];
	char *relation[NR_RELATIONS];
};

#define KEY(key, how, member)                                                                      \
	{                                                                                          \
		key, how, offsetof(struct raw_run, member)                                         \
	}
static const struct key run_keys[] = {
	KEY("scenario", read_text, run.scenario),
	KEY("case", read_text, run.label),
	KEY("control", read_flag, run.control),
	KEY("policy", read_list, run.policies),
	KEY("inject", read_text, run.inject),
	KEY("with", read_with, run.with),
	KEY("holds", read_text, check[CHECK_HOLDS]),
	KEY("violated", read_text, check[CHECK_VIOLATED]),
	KEY("replay", read_text, check[CHECK_REPLAY]),
	KEY("same-as", read_text, check[CHECK_SAME]),
	KEY("differs-from", read_text, check[CHECK_DIFFERS]),
	KEY("count", read_text, check[CHECK_COUNT]),
	KEY("phase", read_text, run.phase),
	KEY("beside", read_text, run.beside),
	KEY("less", read_text, relation[RELATION_LESS]),
	KEY("at-most", read_text, relation[RELATION_AT_MOST]),
	KEY("equal", read_text, relation[RELATION_EQUAL]),
	KEY("at-least", read_text, relation[RELATION_AT_LEAST]),
	KEY("more", read_text, relation[RELATION_MORE]),
	{ NULL, NULL, 0 },
};
#undef KEY

static void free_run(void *p)
{
	struct claim_run *run = p;

	g_free(run->scenario);
	g_free(run->label);
	g_free(run->inject);
	g_strfreev(run->policies);
	if (run->with)
		g_ptr_array_unref(run->with);
	g_free(run->arg);
	g_free(run->phase);
	g_free(run->beside);
	g_free(run->than);
	g_free(run);
}

/* The only text of several that is there, into @to; its place, or how many there are if not one. */
static bool take_one(char **texts, unsigned int n, char **to, unsigned int *place)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!texts[i])
			continue;
		found++;
		*place = i;
		g_free(*to);
		*to = texts[i];
		texts[i] = NULL;
	}
	return found == 1;
}

/* What the run is asked: exactly one thing. */
static bool take_check(struct reader *r, const yaml_node_t *n, struct raw_run *raw)
{
	struct claim_run *run = &raw->run;
	unsigned int check = CHECK_NONE, relation = 0;
	bool has_relation = take_one(raw->relation, NR_RELATIONS, &run->than, &relation);
	bool counts;

	if (!run->scenario)
		return refuse(r, &n->start_mark, "a scenario", "none");
	if (!take_one(raw->check, CHECK_COUNT + 1, &run->arg, &check))
		return refuse(r, &n->start_mark,
			      "one of holds, violated, replay, same-as, differs-from and count",
			      run->arg ? "several" : "none");
	run->check = (enum claim_check)check;
	run->relation = (enum claim_relation)relation;
	counts = run->check == CHECK_COUNT;
	if (has_relation != counts || (run->phase != NULL) != counts || (run->beside && !counts))
		return refuse(r, &n->start_mark,
			      "a phase and one of less, at-most, equal, at-least and more with a "
			      "count, perhaps beside, and nowhere else",
			      run->arg);
	if (run->check == CHECK_REPLAY && strcmp(run->arg, "met") != 0 &&
	    strcmp(run->arg, "unmet") != 0)
		return refuse(r, &n->start_mark, "replay: met or unmet", run->arg);
	return true;
}

static bool read_run(struct reader *r, const yaml_node_t *n, GPtrArray *runs)
{
	struct claim_run *run = g_new0(struct claim_run, 1);
	struct raw_run raw = { .run = { .line = (unsigned int)n->start_mark.line + 1 } };
	bool ok;

	g_ptr_array_add(runs, run);
	ok = read_mapping(r, n, run_keys, &raw) && take_check(r, n, &raw);
	*run = raw.run;
	for (size_t i = 0; i < G_N_ELEMENTS(raw.check); i++)
		g_free(raw.check[i]);
	for (size_t i = 0; i < NR_RELATIONS; i++)
		g_free(raw.relation[i]);
	return ok;
}

static bool read_runs(struct reader *r, const yaml_node_t *n, void *to, const char *name)
{
	GPtrArray *runs = *(GPtrArray **)to;

	(void)name;
	if (n->type != YAML_SEQUENCE_NODE)
		return refuse_node(r, n, "a list of runs");
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++)
		if (!read_run(r, node(r, *i), runs))
			return false;
	return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define ROW(key, member, how)                                                                      \
	{                                                                                          \
		key, how, offsetof(struct claim, member)                                           \
	}
static const struct key row_keys[] = {
	ROW("claim", id, read_text),
	ROW("who", who, read_text),
	ROW("says", says, read_text),
	ROW("expect", expect, read_text),
	ROW("differs", differs, read_text),
	ROW("note", note, read_text),
	ROW("skip", skip, read_text),
	ROW("runs", runs, read_runs),
	{ NULL, NULL, 0 },
};
#undef ROW

static void free_claim(void *p)
{
	struct claim *c = p;

	g_free(c->id);
	g_free(c->who);
	g_free(c->says);
	g_free(c->expect);
	g_free(c->differs);
	g_free(c->note);
	g_free(c->skip);
	g_ptr_array_unref(c->runs);
	g_free(c);
}

static bool is_scenario(struct reader *r, const struct claim_run *run, const char *name)
{
	if (g_hash_table_contains(r->out->scenarios, name))
		return true;
	g_set_error(r->error, CLAIMS_ERROR, CLAIMS_ERROR_LEDGER,
		    "%s:%u: expected a scenario of the ledger's files, found '%s'", r->file,
		    run->line, name);
	return false;
}

static bool check_row(struct reader *r, const yaml_node_t *n, const struct claim *c)
{
	static const char *const expects[] = { "TRUE", "FALSE", "DEPENDS", "SKIP", "open", NULL };

	if (!c->id || !c->who || !c->says)
		return refuse(r, &n->start_mark, "claim, who and says",
			      c->id ? c->id : "a row without");
	if ((c->runs->len > 0) == (c->skip != NULL))
		return refuse(r, &n->start_mark, "either runs or skip",
			      c->skip ? "both" : "neither");
	if (c->expect && !g_strv_contains(expects, c->expect))
		return refuse(r, &n->start_mark, "expect: TRUE, FALSE, DEPENDS, SKIP or open",
			      c->expect);
	if (ledger_find(r->out, c->id))
		return refuse(r, &n->start_mark, "each claim once", c->id);
	for (guint i = 0; i < c->runs->len; i++) {
		const struct claim_run *run = g_ptr_array_index(c->runs, i);

		if (!is_scenario(r, run, run->scenario) ||
		    (run->beside && !is_scenario(r, run, run->beside)))
			return false;
	}
	return true;
}

static bool read_rows(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (!root)
		return true; /* an empty file has no rows */
	if (root->type != YAML_SEQUENCE_NODE)
		return refuse_node(r, root, "a list of claims");
	for (yaml_node_item_t *i = root->data.sequence.items.start;
	     i < root->data.sequence.items.top; i++) {
		struct claim *c = g_new0(struct claim, 1);
		const yaml_node_t *n = node(r, *i);

		c->runs = g_ptr_array_new_with_free_func(free_run);
		c->line = (unsigned int)n->start_mark.line + 1;
		if (!read_mapping(r, n, row_keys, c) || !check_row(r, n, c)) {
			free_claim(c);
			return false;
		}
		g_ptr_array_add(r->out->claims, c);
	}
	return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a file's name, then its text */
static bool add_rows(struct ledger *l, const char *file, const char *text, GError **error)
{
	struct reader r = { .file = file, .out = l, .error = error };
	yaml_parser_t parser;
	bool ok;

	if (!yaml_parser_initialize(&parser))
		g_error("no memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	ok = yaml_parser_load(&parser, &r.doc);
	if (ok) {
		ok = read_rows(&r);
		yaml_document_delete(&r.doc);
	} else {
		(void)refuse(&r, &parser.problem_mark, "YAML",
			     parser.problem ? parser.problem : "other bytes");
	}
	yaml_parser_delete(&parser);
	return ok;
}

static void free_file(void *p)
{
	struct claim_file *f = p;

	g_free(f->name);
	g_free(f->text);
	g_free(f);
}

static bool add_scenarios(struct ledger *l, const char *name, const char *text, GError **error)
{
	struct claim_file *f = g_new0(struct claim_file, 1);
	struct record *record;

	*f = (struct claim_file){ g_strdup(name), g_strdup(text) };
	g_ptr_array_add(l->files, f);
	record = claim_file_read(f, NULL, error);
	if (!record)
		return false;
	for (guint i = 0; i < record->scenarios->len; i++) {
		const struct record_scenario *s = g_ptr_array_index(record->scenarios, i);

		if (g_hash_table_insert(l->scenarios, g_strdup(s->header.u.scenario.name), f))
			continue;
		g_set_error(error, CLAIMS_ERROR, CLAIMS_ERROR_LEDGER,
			    "%s:%u: expected each scenario once, found '%s' again", name,
			    s->header.line, s->header.u.scenario.name);
		record_free(record);
		return false;
	}
	record_free(record);
	return true;
}

struct record *claim_file_read(const struct claim_file *f, struct define *defs, GError **error)
{
	GString *text = define_expand(f->name, f->text, strlen(f->text), defs, error);
	struct record *record = NULL;

	if (!text)
		return NULL;
	record = record_parse(text->str, text->len, f->name, error);
	g_string_free(text, TRUE);
	return record;
}

static struct ledger *ledger_new(void)
{
	struct ledger *l = g_new0(struct ledger, 1);

	l->claims = g_ptr_array_new_with_free_func(free_claim);
	l->files = g_ptr_array_new_with_free_func(free_file);
	l->scenarios = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return l;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	g_ptr_array_unref(l->claims);
	g_ptr_array_unref(l->files);
	g_hash_table_unref(l->scenarios);
	g_free(l);
}

/* One of a ledger's files, by its kind; scenarios go before rows. */
static bool add_file(struct ledger *l, const char *name, const char *text, const char *kind,
		     GError **error)
{
	if (!g_str_has_suffix(name, kind))
		return true;
	return strcmp(kind, ".scn") == 0 ? add_scenarios(l, name, text, error)
					 : add_rows(l, name, text, error);
}

struct ledger *ledger_builtin(GError **error)
{
	static const char *const kinds[] = { ".scn", ".yaml" };
	struct ledger *l = ledger_new();

	for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
		for (size_t i = 0; claims_builtin_names[i]; i++) {
			const struct claims_builtin *b = &claims_builtins[i];

			if (add_file(l, b->file, b->text, kinds[k], error))
				continue;
			ledger_free(l);
			return NULL;
		}
	}
	return l;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_path(struct ledger *l, const char *path, const char *kind, GError **error)
{
	g_autofree char *text = NULL;
	gsize len;

	if (!g_str_has_suffix(path, kind))
		return true;
	if (!g_file_get_contents(path, &text, &len, error))
		return false;
	if (strlen(text) == len)
		return add_file(l, path, text, kind, error);
	g_set_error(error, CLAIMS_ERROR, CLAIMS_ERROR_LEDGER, "%s: expected text, found NUL bytes",
		    path);
	return false;
}

struct ledger *ledger_read(const char *dir, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	struct ledger *l = ledger_new();
	GDir *d = g_dir_open(dir, 0, error);
	const char *name;
	bool ok = d != NULL;

	while (d && (name = g_dir_read_name(d)))
		g_ptr_array_add(paths, g_build_filename(dir, name, NULL));
	if (d)
		g_dir_close(d);
	g_ptr_array_sort(paths, by_name);
	for (guint i = 0; ok && i < paths->len; i++)
		ok = add_path(l, g_ptr_array_index(paths, i), ".scn", error);
	for (guint i = 0; ok && i < paths->len; i++)
		ok = add_path(l, g_ptr_array_index(paths, i), ".yaml", error);
	if (ok && l->claims->len)
		return l;
	if (ok)
		g_set_error(error, CLAIMS_ERROR, CLAIMS_ERROR_LEDGER,
			    "%s: expected .yaml files with claims, found none", dir);
	ledger_free(l);
	return NULL;
}

const struct claim *ledger_find(const struct ledger *l, const char *id)
{
	for (guint i = 0; i < l->claims->len; i++) {
		const struct claim *c = g_ptr_array_index(l->claims, i);

		if (strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}
