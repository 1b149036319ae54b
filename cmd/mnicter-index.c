/* mnicter index: an index of functions and programs, good and bad, that says what a program shares with them. */
#include "mnicter.h"

#include "known/known.h"
#include "micro/gather.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"usage: mnicter index build -o index [-qv] [-m name | -g name] file ...\n"
"       mnicter index add -x index [-qv] [-m name | -g name] file ...\n"
"       mnicter index query -x index [-jqv] file ...\n"
"       mnicter index info [-j] index\n"
"\n"
"  build               make an index of the functions of programs: files,\n"
"                      folders, cases\n"
"  add                 put more into it\n"
"  query               say what programs have in common with it\n"
"  info                say what it holds\n"
"  -o index            where the new index goes\n"
"  -x index            the index; query takes several\n"
"  -m name             the programs are malware of this family\n"
"  -g name             they are goodware from there (the default: \"goodware\")\n"
"  -j                  JSON, an object a line\n"
"  -q, -v              say less, more; -h this help; -V the version\n"
"\n"
"examples:\n"
"  mnicter index build -o good.idx /usr/bin /usr/lib/x86_64-linux-gnu\n"
"  mnicter index query -x good.idx /bin/ls\n"
"\n"
"exit: 0 done; 64 usage; 65 the index or a case is damaged; 66 no such file;\n"
"69 programs cannot be confined here; 74 input or output; 75 try again\n";

#define INDEXES 16u

struct index_options {
	struct tool t;
	const char *index[INDEXES];
	size_t indexes;
	const char *malware, *goodware;
};

/* ---- build, add ---- */

static int put(void *ctx, const struct gathered *g, struct err *e)
{
	const json_t *functions = json_object_get(g->identity, "functions");

	if (!json_array_size(functions))
		return 0;
	return functions_build_add(ctx, g->sha256, g->called, functions, json_object_get(g->identity, "minhash"), e) < 0 ? -1 : 0;
}

static int build(const struct index_options *o, bool add, char **operands, struct err *e)
{
	const char *to = add ? o->index[0] : o->t.out;
	struct gather_count n = { 0 };
	int64_t begin = clock_mono_ms();
	struct functions_build *b;
	uint64_t programs;

	if (!to || (add && o->indexes > 1))
		tool_usage(&o->t, add ? "which index is added to? give one -x INDEX" : "where does the index go? give -o INDEX");
	if (o->malware && o->goodware)
		tool_usage(&o->t, "-m and -g exclude each other");
	if (!*operands)
		tool_usage(&o->t, "an index of what? name files, folders or cases");
	b = functions_build_new(add ? to : NULL, o->malware != NULL, o->malware ? o->malware : o->goodware ? o->goodware : "goodware", e);
	if (!b)
		return -1;
	if (gather_run(operands, put, b, &n, e)) {
		functions_build_abort(b);
		return -1;
	}
	if (functions_build_finish(b, to, &programs, e))
		return -1;
	if (msg_get_level() >= 0)
		fprintf(stderr, "mnicter: %llu programs added of %llu files, %llu could not be taken apart, %.1f s\n", (unsigned long long)programs,
			(unsigned long long)n.files, (unsigned long long)n.failed, (double)(clock_mono_ms() - begin) / 1000);
	return 0;
}

/* ---- query ---- */

struct asking { const struct index_options *o; struct functions *f[INDEXES]; };

static void print_known(const struct gathered *g, const json_t *known)
{
	const json_t *good = json_object_get(known, "goodware"), *family;
	json_int_t of = jsonio_int(good, "of", 0);
	size_t i;

	printf("%s: %lld of %lld functions are goodware's", err_q(g->called), (long long)jsonio_int(good, "functions", 0), (long long)of);
	json_array_foreach(json_object_get(known, "malware"), i, family)
		printf("; %s: %lld, similarity %.2f", err_q(jsonio_str(family, "name")), (long long)jsonio_int(family, "functions", 0),
			jsonio_num(family, "similarity", 0));
	putchar('\n');
}

static int ask(void *ctx, const struct gathered *g, struct err *e)
{
	struct asking *a = ctx;
	const json_t *digests = json_object_get(g->identity, "functions"), *v;
	json_t *functions = json_array(), *known;
	size_t i;

	(void)e;
	json_array_foreach(digests, i, v)
		if (json_is_string(v))
			json_array_append_new(functions, json_pack("{sO}", "digest", v));
	known = functions_tell(a->f, a->o->indexes, functions, json_object_get(g->identity, "minhash"));
	if (a->o->t.json) {
		json_t *o = json_pack("{so ss so}", "path", jsonio_name(g->called), "sha256", g->sha256, "known", json_incref(known));

		jsonio_print(stdout, o);
		json_decref(o);
	} else {
		print_known(g, known);
	}
	json_decref(known);
	json_decref(functions);
	return 0;
}

static int query(const struct index_options *o, char **operands, struct err *e)
{
	struct asking a = { .o = o };
	struct gather_count n = { 0 };
	int rc = 0;

	if (!o->indexes || !*operands)
		tool_usage(&o->t, "query wants -x INDEX and programs");
	for (size_t i = 0; !rc && i < o->indexes; i++) {
		a.f[i] = functions_open(o->index[i], e);
		rc = a.f[i] ? 0 : -1;
	}
	if (!rc)
		rc = gather_run(operands, ask, &a, &n, e);
	for (size_t i = 0; i < o->indexes; i++)
		functions_close(a.f[i]);
	return rc;
}

/* ---- info ---- */

static int info(const struct index_options *o, char **operands, struct err *e)
{
	struct functions *f;
	json_t *j;
	const json_t *name;
	size_t i;

	if (!operands[0] || operands[1])
		tool_usage(&o->t, "info wants one index");
	f = functions_open(operands[0], e);
	if (!f)
		return -1;
	j = functions_info(f);
	if (o->t.json) {
		jsonio_print(stdout, j);
	} else {
		printf("%lld programs, %lld keys, %lld bytes\n", (long long)jsonio_int(j, "programs", 0), (long long)jsonio_int(j, "digests", 0),
			(long long)jsonio_int(j, "bytes", 0));
		json_array_foreach(json_object_get(j, "names"), i, name)
			printf("%s %s: %lld programs\n", jsonio_str(name, "kind"), err_q(jsonio_str(name, "name")), (long long)jsonio_int(name, "programs", 0));
	}
	json_decref(j);
	functions_close(f);
	return 0;
}

int mnicter_index(int argc, char **argv)
{
	struct index_options o = { .indexes = 0 };
	struct err e = { 0 };
	const char *verb;
	int c, rc;

	tool_init(&o.t, "mnicter", usage, argc, argv);
	while ((c = tool_getopt(&o.t, "jm:g:x:o:", NULL)) != -1) {
		switch (c) {
		case 'm': o.malware = optarg; break;
		case 'g': o.goodware = optarg; break;
		case 'x':
			if (o.indexes == INDEXES)
				tool_usage(&o.t, "takes at most %u indexes", INDEXES);
			o.index[o.indexes++] = optarg;
			break;
		}
	}
	verb = optind < argc ? argv[optind] : "";
	if (!strcmp(verb, "build") || !strcmp(verb, "add"))
		rc = build(&o, *verb == 'a', argv + optind + 1, &e);
	else if (!strcmp(verb, "query"))
		rc = query(&o, argv + optind + 1, &e);
	else if (!strcmp(verb, "info"))
		rc = info(&o, argv + optind + 1, &e);
	else
		tool_usage(&o.t, *verb ? "%s is no verb of index: build, add, query and info are" : "index wants a verb: build, add, query, info%s", *verb ? err_q(verb) : "");
	return tool_end(&o.t, rc, &e);
}
