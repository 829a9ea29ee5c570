/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results of a timed run for programs: JSON, CSV and SQLite.
 */
#include <sqlite3.h>
#include <string.h>

#include "harness/json.h"
#include "harness/run_stats.h"

G_DEFINE_QUARK(s2_run_error, run_error)

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Picoseconds as nanoseconds with up to three decimals, exactly. */
static void add_ns(JsonBuilder *b, const char *name, uint64_t ps)
{
	json_builder_set_member_name(b, name);
	if (ps % 1000 == 0)
		json_builder_add_int_value(b, (gint64)(ps / 1000));
	else
		json_builder_add_double_value(b, (double)ps / 1000.0);
}

static void add_stats(JsonBuilder *b, const GArray *stats)
{
	json_builder_set_member_name(b, "stats");
	json_builder_begin_object(b);
	for (guint i = 0; i < stats->len; i++) {
		const struct run_stat *s = &g_array_index(stats, struct run_stat, i);
		g_autofree char *ns = g_strdup_printf("%s_ns", s->name);

		if (g_strcmp0(s->unit, "ps") == 0)
			add_ns(b, ns, s->value);
		else
			json_put_int(b, s->name, s->value);
	}
	json_builder_end_object(b);
}

static void add_config(JsonBuilder *b, const struct run_result *r)
{
	const struct run_config *c = &r->config;

	json_builder_set_member_name(b, "config");
	json_builder_begin_object(b);
	json_put_string(b, "file", c->file);
	json_put_string(b, "scenario", c->scenario);
	json_put_string(b, "policy", c->policy);
	json_put_string(b, "profile", c->profile);
	json_put_int(b, "vcpus", c->vcpus);
	add_ns(b, "quantum_ns", c->quantum_ps);
	json_builder_set_member_name(b, "exact");
	json_builder_add_boolean_value(b, c->quantum_ps == 0);
	if (r->difference.known) {
		json_builder_set_member_name(b, "quantum_max_difference_percent");
		json_builder_add_double_value(b, r->difference.max_percent);
	}
	json_builder_set_member_name(b, "recorded_base");
	json_builder_add_boolean_value(b, c->recorded);
	json_builder_end_object(b);
	json_put_int(b, "seed", c->seed);
}

static void add_phases(JsonBuilder *b, const struct run_result *r)
{
	json_builder_set_member_name(b, "phases");
	json_builder_begin_array(b);
	for (guint i = 0; i < r->phases->len; i++) {
		const struct run_part *p = g_ptr_array_index(r->phases, i);

		json_builder_begin_object(b);
		json_put_string(b, "name", p->name);
		add_ns(b, "start_ns", p->start_ps);
		add_ns(b, "time_ns", p->end_ps - p->start_ps);
		add_stats(b, p->stats);
		json_builder_end_object(b);
	}
	json_builder_end_array(b);
}

static void add_lines(JsonBuilder *b, const struct run_result *r)
{
	const GArray *lines = timed_lines(r->timed);

	json_builder_set_member_name(b, "lines");
	json_builder_begin_array(b);
	for (guint i = 0; i < lines->len; i++) {
		const struct timed_line *l = &g_array_index(lines, struct timed_line, i);
		g_autoptr(GString) text = g_string_new(NULL);
		char name[16];

		run_actor_name(timed_vm(r->timed), l->actor, name, sizeof(name));
		lang_print_line(l->line, text);
		json_builder_begin_object(b);
		json_put_int(b, "line", l->line->line);
		json_put_string(b, "actor", name);
		json_put_string(b, "text", text->str);
		json_builder_set_member_name(b, "ret");
		json_builder_add_int_value(b, l->ret);
		add_ns(b, "start_ns", l->start_ps);
		add_ns(b, "time_ns", l->end_ps - l->start_ps);
		json_builder_end_object(b);
	}
	json_builder_end_array(b);
}

static void add_vcpus(JsonBuilder *b, const struct run_result *r)
{
	json_builder_set_member_name(b, "vcpus");
	json_builder_begin_array(b);
	for (uint32_t v = 0; v < r->config.vcpus; v++) {
		const struct vcpu_totals *t = timed_vcpu(r->timed, v);

		json_builder_begin_object(b);
		json_put_int(b, "vcpu", v);
		json_put_int(b, "accesses", t->accesses);
		json_put_int(b, "exits", t->exits);
		add_ns(b, "guest_ns", t->guest_ps);
		json_put_int(b, "stalls", t->stall.n);
		add_ns(b, "stall_ns", t->stall.sum);
		add_ns(b, "stall_p50_ns", hist_at(&t->stall, 500));
		add_ns(b, "stall_p99_ns", hist_at(&t->stall, 990));
		add_ns(b, "stall_max_ns", t->stall.max);
		json_builder_set_member_name(b, "kvm");
		json_builder_begin_object(b);
#define X(name, text) json_put_int(b, #name, (uint64_t)t->kvm.name);
		VCPU_STAT_LIST(X)
#undef X
		json_builder_end_object(b);
		json_builder_end_object(b);
	}
	json_builder_end_array(b);
}

/* json-glib writes 17 digits of a double; ours have three decimals at most. */
static void append_trimmed(const char *json, GString *out)
{
	bool in_string = false;

	while (*json) {
		size_t len = in_string ? 0 : strspn(json, "-0123456789.eE+");

		if (len == 0 || !memchr(json, '.', len)) {
			len = MAX(len, 1);
			if (*json == '"')
				in_string = !in_string;
			if (*json == '\\' && json[1])
				len = 2;
			g_string_append_len(out, json, (gssize)len);
		} else {
			char text[G_ASCII_DTOSTR_BUF_SIZE];

			g_ascii_formatd(text, sizeof(text), "%.3f", g_ascii_strtod(json, NULL));
			for (size_t end = strlen(text);
			     text[end - 1] == '0' && text[end - 2] != '.'; end--)
				text[end - 1] = '\0';
			g_string_append(out, text);
		}
		json += len;
	}
}

void run_json(const struct run_result *r, GString *out)
{
	g_autofree char *text = NULL;
	g_autoptr(JsonBuilder) b = json_builder_new_immutable();
	g_autoptr(JsonGenerator) gen = json_generator_new();
	g_autoptr(JsonNode) root = NULL;

	json_builder_begin_object(b);
	json_put_string(b, "schema", "s2sim.run/1");
	add_config(b, r);
	json_put_int(b, "time_ns", r->total->end_ps / 1000);
	add_phases(b, r);
	add_lines(b, r);
	add_vcpus(b, r);
	add_stats(b, r->total->stats);
	json_builder_end_object(b);
	root = json_builder_get_root(b);
	json_generator_set_root(gen, root);
	json_generator_set_pretty(gen, TRUE);
	json_generator_set_indent_char(gen, '\t');
	json_generator_set_indent(gen, 1);
	text = json_generator_to_data(gen, NULL);
	append_trimmed(text, out);
	g_string_append_c(out, '\n');
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void csv_part(const struct run_part *p, GString *out)
{
	g_string_append_printf(out, "%s,time,%" G_GUINT64_FORMAT ",ps\n", p->name,
			       p->end_ps - p->start_ps);
	for (guint i = 0; i < p->stats->len; i++) {
		const struct run_stat *s = &g_array_index(p->stats, struct run_stat, i);

		g_string_append_printf(out, "%s,%s,%" G_GUINT64_FORMAT ",%s\n", p->name, s->name,
				       s->value, s->unit);
	}
}

void run_csv(const struct run_result *r, GString *out)
{
	g_string_append(out, "phase,name,value,unit\n");
	for (guint i = 0; i < r->phases->len; i++)
		csv_part(g_ptr_array_index(r->phases, i), out);
	csv_part(r->total, out);
}

/* ---- SQLite ---------------------------------------------------------------------------------- */

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY, file TEXT NOT NULL,"
	" scenario TEXT NOT NULL, policy TEXT NOT NULL, profile TEXT NOT NULL,"
	" vcpus INTEGER NOT NULL, seed INTEGER NOT NULL, quantum_ps INTEGER NOT NULL,"
	" time_ps INTEGER NOT NULL) STRICT;"
	"CREATE TABLE IF NOT EXISTS stats(run INTEGER NOT NULL REFERENCES runs(id),"
	" phase TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, unit TEXT NOT NULL) "
	"STRICT;"
	"CREATE TABLE IF NOT EXISTS lines(run INTEGER NOT NULL REFERENCES runs(id),"
	" actor TEXT NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL, ret INTEGER NOT NULL,"
	" start_ps INTEGER NOT NULL, end_ps INTEGER NOT NULL) STRICT;";

static bool db_fail(sqlite3 *db, const char *path, GError **error)
{
	g_set_error(error, RUN_ERROR, RUN_ERROR_DB,
		    "%s: expected an SQLite file that can be written, found: %s", path,
		    db ? sqlite3_errmsg(db) : "no memory");
	return false;
}

static bool step(sqlite3_stmt *s)
{
	bool ok = sqlite3_step(s) == SQLITE_DONE;

	sqlite3_reset(s);
	return ok;
}

static bool insert_run(sqlite3 *db, const struct run_result *r)
{
	const struct run_config *c = &r->config;
	const char *const text[] = { c->file, c->scenario, c->policy, c->profile };
	const uint64_t number[] = { c->vcpus, c->seed, c->quantum_ps, r->total->end_ps };
	sqlite3_stmt *s = NULL;
	bool ok = sqlite3_prepare_v2(db,
				     "INSERT INTO runs(file,scenario,policy,profile,vcpus,seed,"
				     "quantum_ps,time_ps) VALUES(?,?,?,?,?,?,?,?)",
				     -1, &s, NULL) == SQLITE_OK;

	for (int i = 0; ok && i < 4; i++)
		ok = sqlite3_bind_text(s, i + 1, text[i], -1, SQLITE_STATIC) == SQLITE_OK &&
		     sqlite3_bind_int64(s, i + 5, (sqlite3_int64)number[i]) == SQLITE_OK;
	ok = ok && step(s);
	sqlite3_finalize(s);
	return ok;
}

static bool insert_part(sqlite3_stmt *s, sqlite3_int64 run, const struct run_part *p)
{
	bool ok = true;

	for (guint i = 0; ok && i < p->stats->len; i++) {
		const struct run_stat *st = &g_array_index(p->stats, struct run_stat, i);

		sqlite3_bind_int64(s, 1, run);
		sqlite3_bind_text(s, 2, p->name, -1, SQLITE_STATIC);
		sqlite3_bind_text(s, 3, st->name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 4, (sqlite3_int64)st->value);
		sqlite3_bind_text(s, 5, st->unit, -1, SQLITE_STATIC);
		ok = step(s);
	}
	return ok;
}

static bool insert_stats(sqlite3 *db, const struct run_result *r, sqlite3_int64 run)
{
	sqlite3_stmt *s = NULL;
	bool ok = sqlite3_prepare_v2(db, "INSERT INTO stats VALUES(?,?,?,?,?)", -1, &s, NULL) ==
		  SQLITE_OK;

	for (guint i = 0; ok && i < r->phases->len; i++)
		ok = insert_part(s, run, g_ptr_array_index(r->phases, i));
	ok = ok && insert_part(s, run, r->total);
	sqlite3_finalize(s);
	return ok;
}

static bool insert_lines(sqlite3 *db, const struct run_result *r, sqlite3_int64 run)
{
	const GArray *lines = timed_lines(r->timed);
	sqlite3_stmt *s = NULL;
	bool ok = sqlite3_prepare_v2(db, "INSERT INTO lines VALUES(?,?,?,?,?,?,?)", -1, &s, NULL) ==
		  SQLITE_OK;

	for (guint i = 0; ok && i < lines->len; i++) {
		const struct timed_line *l = &g_array_index(lines, struct timed_line, i);
		g_autoptr(GString) text = g_string_new(NULL);
		char name[16];

		lang_print_line(l->line, text);
		run_actor_name(timed_vm(r->timed), l->actor, name, sizeof(name));
		sqlite3_bind_int64(s, 1, run);
		sqlite3_bind_text(s, 2, name, -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(s, 3, l->line->line);
		sqlite3_bind_text(s, 4, text->str, -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(s, 5, l->ret);
		sqlite3_bind_int64(s, 6, (sqlite3_int64)l->start_ps);
		sqlite3_bind_int64(s, 7, (sqlite3_int64)l->end_ps);
		ok = step(s);
	}
	sqlite3_finalize(s);
	return ok;
}

bool run_db(const struct run_result *r, const char *path, GError **error)
{
	sqlite3 *db = NULL;
	bool ok;

	ok = sqlite3_open(path, &db) == SQLITE_OK && sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
	     sqlite3_exec(db,
			  "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE;",
			  NULL, NULL, NULL) == SQLITE_OK &&
	     sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK && insert_run(db, r);
	if (ok) {
		sqlite3_int64 run = sqlite3_last_insert_rowid(db);

		ok = insert_stats(db, r, run) && insert_lines(db, r, run) &&
		     sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
	}
	if (!ok)
		db_fail(db, path, error);
	sqlite3_close(db);
	return ok;
}
