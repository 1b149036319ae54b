#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "judge/judge.h"

static bool near(double a, double b, double by)
{
	return fabs(a - b) <= by;
}

static bool bounds(long hits, long n, double low, double high, double by)
{
	double l, h;

	interval_clopper(hits, n, 0.95, &l, &h);
	if (near(l, low, by) && near(h, high, by))
		return true;
	printf("# %ld of %ld: %.7f to %.7f\n", hits, n, l, h);
	return false;
}

static void intervals(void)
{
	double low, high;

	/* closed forms: I_x(1, b) = 1 - (1-x)^b, I_x(a, 1) = x^a; I_x(2, 3) = 6x^2 - 8x^3 + 3x^4 */
	OK(near(interval_beta(0.3, 1, 5), 1 - pow(0.7, 5), 1e-12) && near(interval_beta(0.3, 5, 1), pow(0.3, 5), 1e-12),
	   "the incomplete beta function has its closed forms");
	OK(near(interval_beta(0.4, 2, 3), 0.5248, 1e-12), "and that of a polynomial");
	OK(near(interval_beta(0.2, 40, 60) + interval_beta(0.8, 60, 40), 1, 1e-12), "and is symmetrical");
	OK(interval_beta(0, 2, 3) <= 0 && interval_beta(1, 2, 3) >= 1, "and has its ends");
	/* R's own example: binom.test(682, 682 + 243) */
	OK(bounds(682, 925, 0.7076683, 0.7654066, 1e-7), "bounds as in R's binom.test");
	/* Newcombe, Statistics in Medicine 17 (1998), table I, method 5 */
	OK(bounds(81, 263, 0.2527, 0.3676, 5e-5), "bounds as in Newcombe: 81 of 263");
	OK(bounds(15, 148, 0.0578, 0.1617, 5e-5), "15 of 148");
	OK(bounds(0, 20, 0, 0.1684, 5e-5), "0 of 20");
	OK(bounds(1, 29, 0.0009, 0.1776, 5e-5), "1 of 29");
	OK(bounds(30, 30, pow(0.025, 1.0 / 30), 1, 1e-9), "all of n: the lower bound is (a/2)^(1/n)");
	interval_clopper(0, 100, 0.90, &low, &high);
	OK(near(high, 1 - pow(0.05, 0.01), 1e-9), "none in n at 95 % one-sided: about 3/n");
}

static void weights(void)
{
	struct judge_hits none = { 0, 50, 0, 50 }, some = { 9, 9, 0, 99 }, many = { 900, 1000, 10, 10000 }, innocent = { 0, 1000, 500, 1000 };

	OK(near(weigh_hits(&none, 17), 17, 1e-9), "without a hit the estimate stays");
	/* ratio 10 log10(190) = 22.788, its variance 18.861 * 1.99526 = 37.633; prior 25: (22.788 * 25 + 10 * 37.633) / 62.633 */
	OK(near(weigh_hits(&some, 10), 15.104, 0.005), "few hits are drawn to the estimate");
	/* 10 log10((900.5/1001) / (10.5/10001)) = 29.33 */
	OK(near(weigh_hits(&many, 10), 29.33, 1.5), "many are not");
	OK(weigh_hits(&many, 10) < 29.33, "or only a little");
	OK(weigh_hits(&innocent, 5) < 0, "what only benign code shows has a negative ratio");
}

/* ---- a small world: one sign is rare in benign code, one common, one of which nothing is known ---- */

#define SIGN(name, group, weight, more) \
	"  {\"name\": \"" name "\", \"source\": \"host\", \"group\": \"" group "\", \"weight\": " weight more ", \"meaning\": \"M\"}"

static const char criteria[] =
	"{\n \"format\": \"muss-criteria/1\",\n \"submit\": 3,\n \"signs\": [\n"
	SIGN("rare", "g", "20", "") ",\n" SIGN("common", "g", "10", "") ",\n\n"
	SIGN("strict", "h", "2", ", \"over\": \"lax\"") ",\n" SIGN("lax", "h", "12", "") ",\n"
	SIGN("onrest", "r", "6", ", \"at_rest\": true") ",\n"
	SIGN("never", "i", "31.5", "") ",\n" SIGN("decoy", "i", "4", "") "\n ]\n}\n";

static char *temporary(const char *text)
{
	char *path = buf_strdup("/tmp/muss-derive.XXXXXX");
	int fd = mkstemp(path);

	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
	return path;
}

static void drop(char *path)
{
	unlink(path);
	free(path);
}

static json_t *derive(const char *lines, struct buf *out, struct err *e)
{
	char *rules = temporary(criteria), *data = temporary(lines);
	struct judge *j;
	struct observed *o;
	json_t *report = NULL;

	err_clear(e);
	j = judge_load(rules, e);
	o = j ? observed_open(j, e) : NULL;
	if (o && !observed_read(o, data, e))
		report = derive_report(j, o, e);
	if (report && out && criteria_rewrite(criteria, report, out, e) < 0) {
		json_decref(report);
		report = NULL;
	}
	observed_free(o);
	judge_free(j);
	drop(rules);
	drop(data);
	return report;
}

static const json_t *sign(const json_t *report, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(report, "signs"), i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

static double weight(const json_t *report, const char *name)
{
	return jsonio_num(sign(report, name), "weight", NAN);
}

static void world(struct buf *lines)
{
	int i;

	for (i = 0; i < 30; i++) {
		buf_addf(lines, "{\"label\":\"suspicious\",\"technique\":\"T1/a\",\"variation\":%d,\"own\":[\"rare\"],"
		         "\"pieces\":[{\"kind\":\"file\",\"signs\":[\"rare\",\"common\"]},{\"kind\":\"file\",\"signs\":[]}]}\n", i);
		buf_addf(lines, "{\"label\":\"suspicious\",\"technique\":\"T2/b\",\"variation\":%d,\"own\":[\"lax\"],"
		         "\"pieces\":[{\"kind\":\"file\",\"signs\":[\"common\",\"lax\",\"onrest\"]}]}\n", i);
	}
	for (i = 0; i < 100; i++)
		buf_addf(lines, "{\"label\":\"benign\",\"host\":\"desk\",\"source\":\"p%d\",\"seen\":\"live\",\"kind\":\"%s\",\"left\":%s,"
		         "\"count\":%d,\"bytes\":1048576,\"signs\":[%s]}\n", i, i ? "file" : "memory", i < 10 ? "true" : "false", i ? 1 : 3,
		         i < 50 ? "\"common\"" : "\"decoy\"");
	for (i = 0; i < 40; i++)
		buf_addf(lines, "{\"label\":\"benign\",\"host\":\"desk\",\"source\":\"p%d\",\"seen\":\"rest\",\"kind\":\"file\",\"signs\":[]}\n", i);
}

static void small_world(void)
{
	struct buf lines = { 0 }, out = { 0 };
	struct err e;
	const json_t *all, *row;
	json_t *report, *hits;
	char *copy;

	world(&lines);
	report = derive(buf_str(&lines), &out, &e);
	if (!OK(report != NULL, "a small world is derived"))
		return;
	hits = json_object_get(sign(report, "rare"), "hits");
	OK(json_integer_value(json_array_get(hits, 0)) == 30 && json_integer_value(json_array_get(hits, 1)) == 60 &&
	   json_integer_value(json_array_get(hits, 2)) == 0 && json_integer_value(json_array_get(hits, 3)) == 100, "hits are counted by case, on live machines");
	hits = json_object_get(sign(report, "onrest"), "hits");
	OK(json_integer_value(json_array_get(hits, 3)) == 140, "and at rest, where the sign shows there");
	OK(weight(report, "rare") > weight(report, "common"), "what is rarer in benign code weighs more");
	OK(near(weight(report, "common"), 3.3, 0.3), "a sign that half of benign and all suspicious code bears: about a factor of two");
	OK(weight(report, "decoy") <= 0 && weight(report, "decoy") >= 0, "no sign counts for innocence");
	OK(near(weight(report, "never"), 31.5, 0.01) && !jsonio_bool(sign(report, "never"), "derived", true), "nothing observed: the estimate");
	OK(weight(report, "strict") >= weight(report, "lax"), "the stricter sign weighs no less");
	all = json_object_get(json_object_get(report, "recall"), "all");
	OK(jsonio_int(json_object_get(all, "recall"), "found", 0) == 60, "all are found");
	OK(jsonio_int(all, "seen", 0) == 60, "all were shown");
	row = json_array_get(json_object_get(json_object_get(report, "recall"), "techniques"), 0);
	OK_STR(jsonio_str(row, "technique"), "T1/a", "recall is told by technique");
	OK(jsonio_int(json_object_get(row, "variation_out"), "of", 0) == 30, "each variation was judged by weights that had not seen it");
	OK(near(jsonio_num(json_object_get(row, "recall"), "low", 0), pow(0.025, 1.0 / 30), 1e-9), "with its bounds");
	OK(jsonio_num(report, "submit", -1) >= 0, "a threshold follows");
	OK(strstr(buf_str(&out), "\"name\": \"never\", \"source\": \"host\", \"group\": \"i\", \"weight\": 31.5, \"meaning\"") != NULL,
	   "a line of which nothing was observed stays as it is");
	OK(strstr(buf_str(&out), "\"estimate\": 20, \"hits\": [30, 60, 0, 100], \"meaning\"") != NULL, "another tells what it came from");
	OK(strstr(buf_str(&out), "},\n\n  {\"name\": \"strict\"") != NULL, "empty lines stay");
	copy = buf_strdup(buf_str(&out));
	buf_clear(&out);
	OK(!criteria_rewrite(copy, report, &out, &e) && !strcmp(copy, buf_str(&out)), "written again, they are the same byte for byte");
	free(copy);
	json_decref(report);
	buf_free(&lines);
	buf_free(&out);
}

/* A sign of which the data cannot tell keeps its estimate, and nobody is found by it alone. */
static void fixed_sign(void)
{
	static const char fixed[] = "{\"format\": \"muss-criteria/1\", \"submit\": 1, \"signs\": [\n"
		SIGN("fixed", "g", "3", ", \"fixed\": true") ",\n" SIGN("told", "h", "5", "") "]}\n";
	char *rules = temporary(fixed), *data;
	struct buf lines = { 0 };
	struct err e;
	struct judge *j;
	struct observed *o;
	json_t *report = NULL;
	int i;

	for (i = 0; i < 20; i++)
		buf_addf(&lines, "{\"label\":\"suspicious\",\"technique\":\"T/a\",\"variation\":%d,\"pieces\":[{\"kind\":\"file\",\"signs\":[\"fixed\"%s]}]}\n", i,
		         i < 15 ? ",\"told\"" : "");
	data = temporary(buf_str(&lines));
	err_clear(&e);
	j = judge_load(rules, &e);
	o = j ? observed_open(j, &e) : NULL;
	if (o && !observed_read(o, data, &e))
		report = derive_report(j, o, &e);
	OK(report && near(weight(report, "fixed"), 3, 0.01) && !jsonio_bool(sign(report, "fixed"), "derived", true), "a fixed sign keeps its estimate");
	OK(report && weight(report, "told") > 0, "another does not");
	observed_free(o);
	judge_free(j);
	json_decref(report);
	buf_free(&lines);
	drop(rules);
	drop(data);
}

/* The threshold must not lose a catalogue's technique, however much benign code that lets through. */
static void dear_world(void)
{
	struct buf lines = { 0 };
	struct err e;
	json_t *report;
	const json_t *all;
	int i;

	for (i = 0; i < 30; i++)
		buf_addf(&lines, "{\"label\":\"suspicious\",\"technique\":\"T1/a\",\"variation\":%d,\"pieces\":[{\"kind\":\"file\",\"signs\":[\"%s\"]}]}\n", i,
		         i % 2 ? "common" : "rare");
	for (i = 0; i < 100; i++)
		buf_addf(&lines, "{\"label\":\"benign\",\"host\":\"h\",\"source\":\"p%d\",\"seen\":\"live\",\"kind\":\"memory\",\"left\":true,\"signs\":[%s]}\n", i,
		         i < 20 ? "\"common\"" : "");
	report = derive(buf_str(&lines), NULL, &e);
	all = json_object_get(json_object_get(report, "recall"), "all");
	OK(report && jsonio_int(json_object_get(all, "variation_out"), "found", 0) == 30, "the threshold loses nothing of the catalogue");
	OK(report && jsonio_num(report, "submit", 0) > 0, "and is over what benign code without a sign has");
	json_decref(report);
	buf_free(&lines);
}

static void refusals(void)
{
	static const char *const bad[] = {
		"", "nonsense\n", "[]\n", "{}\n", "{\"label\":\"other\"}\n", "{\"label\":\"suspicious\",\"pieces\":[]}\n",
		"{\"label\":\"suspicious\",\"technique\":\"t\",\"variation\":-1,\"pieces\":[]}\n",
		"{\"label\":\"suspicious\",\"technique\":\"t\",\"pieces\":[{\"kind\":\"file\"}]}\n",
		"{\"label\":\"suspicious\",\"technique\":\"t\",\"pieces\":[{\"kind\":\"file\",\"signs\":[5]}]}\n",
		"{\"label\":\"benign\",\"host\":\"h\",\"source\":\"s\",\"seen\":\"so\",\"kind\":\"file\",\"signs\":[]}\n",
		"{\"label\":\"benign\",\"host\":\"h\",\"source\":\"s\",\"seen\":\"live\",\"kind\":\"file\",\"count\":0,\"signs\":[]}\n",
	};
	struct err e;
	size_t i;

	msg_level(-1);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *report = derive(bad[i], NULL, &e);

		OK(!report && e.code == EX_DATAERR && e.msg[0], "wrong observations are refused with 65");
		json_decref(report);
	}
}

int main(void)
{
	intervals();
	weights();
	small_world();
	dear_world();
	fixed_sign();
	refusals();
	return unit_end();
}
