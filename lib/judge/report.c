#include "judge/judge.h"

#include <stdlib.h>
#include <string.h>

static double number(const json_t *o, const char *key)
{
	return jsonio_num(o, key, 0);
}

static int heaviest_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int group = strcmp(jsonio_str(x, "group"), jsonio_str(y, "group"));

	if (group)
		return group;
	if (number(x, "weight") < number(y, "weight"))
		return 1;
	return number(x, "weight") > number(y, "weight") ? -1 : strcmp(jsonio_str(x, "name"), jsonio_str(y, "name"));
}

static long hit(const json_t *sign, size_t i)
{
	return (long)json_integer_value(json_array_get(json_object_get(sign, "hits"), i));
}

static void print_signs(const json_t *report, FILE *f)
{
	const json_t *signs = json_object_get(report, "signs");
	size_t n = json_array_size(signs), i;
	json_t **order = buf_realloc(NULL, n + 1, sizeof(json_t *));

	for (i = 0; i < n; i++)
		order[i] = json_array_get(signs, i);
	qsort(order, n, sizeof(json_t *), heaviest_first);
	fprintf(f, "%-12s %-22s %7s %9s  %12s  %12s\n", "GROUP", "SIGN", "WEIGHT", "ESTIMATE", "SUSPICIOUS", "BENIGN");
	for (i = 0; i < n; i++) {
		const json_t *s = order[i];

		fprintf(f, "%-12s %-22s %7.1f %9.1f  ", jsonio_str(s, "group"), jsonio_str(s, "name"), number(s, "weight"),
		        number(s, "estimate"));
		if (jsonio_bool(s, "derived", false))
			fprintf(f, "%5ld/%-6ld  %5ld/%-6ld\n", hit(s, 0), hit(s, 1), hit(s, 2), hit(s, 3));
		else
			fprintf(f, "estimated\n");
	}
	free(order);
}

static void print_rate(const json_t *row, const char *key, FILE *f)
{
	const json_t *r = json_object_get(row, key);
	double of = number(r, "of");

	fprintf(f, "  %5.1f [%5.1f %5.1f]", of > 0 ? 100 * number(r, "found") / of : 0, 100 * number(r, "low"), 100 * number(r, "high"));
}

static void print_technique(const json_t *row, FILE *f)
{
	fprintf(f, "%-34.34s %5.0f %5.0f", jsonio_str(row, "technique"), number(json_object_get(row, "recall"), "of"), number(row, "seen"));
	print_rate(row, "recall", f);
	print_rate(row, "variation_out", f);
	print_rate(row, "variation_own_out", f);
	print_rate(row, "technique_out", f);
	print_rate(row, "technique_own_out", f);
	fprintf(f, "\n");
}

static void print_recall(const json_t *report, FILE *f)
{
	const json_t *recall = json_object_get(report, "recall"), *row;
	size_t i;

	fprintf(f, "\nRecall in %% at %.1f decibans, with exact bounds of %.0f %%. The derivation saw everything; all but that variation (%d folds);\n"
	        "that, and the technique's own signs do not count; all but that technique; that, and its own signs do not count.\n"
	        "SHOWN: cases of which the scan showed something that a whitelist does not drop.\n",
	        number(report, "submit"), 100 * number(recall, "confidence"), (int)number(recall, "folds"));
	fprintf(f, "%-34s %5s %5s  %-19s  %-19s  %-19s  %-19s  %s\n", "TECHNIQUE", "CASES", "SHOWN", "ALL SEEN", "VARIATION OUT", "AND OWN SIGNS OUT",
	        "TECHNIQUE OUT", "AND OWN SIGNS OUT");
	json_array_foreach(json_object_get(recall, "techniques"), i, row)
		print_technique(row, f);
	print_technique(json_object_get(recall, "all"), f);
}

static void print_curve(const json_t *report, FILE *f)
{
	const json_t *load = json_object_get(report, "load"), *row, *host;
	const json_t *first = json_array_get(json_object_get(load, "curve"), 0);
	const char *name;
	size_t i;

	fprintf(f, "\nLoad by threshold: recall (variation out; and own signs out; a technique never seen, without its own signs), benign pieces of code\n"
	        "that one scan submits of each machine, and a day of their mean: pieces, CPU s and MiB on the host, s of analysis at the centre, cost.\n");
	fprintf(f, "%9s %7s %7s %7s", "THRESHOLD", "RECALL", "OWN OUT", "UNSEEN");
	json_object_foreach(json_object_get(first, "scan"), name, host)
		fprintf(f, " %9.9s", name);
	fprintf(f, "  %9s %9s %9s %9s %9s\n", "PIECES/D", "HOST s/D", "MiB/D", "CENTRE s", "COST");
	json_array_foreach(json_object_get(load, "curve"), i, row) {
		bool chosen = number(row, "threshold") >= number(report, "submit") && number(row, "threshold") <= number(report, "submit");

		fprintf(f, "%s%8.1f %7.1f %7.1f %7.1f", chosen ? ">" : " ", number(row, "threshold"), 100 * number(row, "recall"),
		        100 * number(row, "own_out"), 100 * number(row, "unseen_own_out"));
		json_object_foreach(json_object_get(row, "scan"), name, host)
			fprintf(f, " %9lld", (long long)json_integer_value(host));
		fprintf(f, "  %9.1f %9.1f %9.2f %9.1f %9.1f\n", number(row, "pieces_day"), number(row, "host_seconds_day"),
		        number(row, "bytes_day") / (double)MIB, number(row, "centre_seconds_day"), number(row, "cost"));
	}
}

void report_print(const json_t *report, FILE *f)
{
	const json_t *cases = json_object_get(report, "cases");

	fprintf(f, "%.0f suspicious cases; benign: %.0f programs and packages on live machines, %.0f at rest\n\n", number(cases, "suspicious"),
	        number(cases, "benign_live"), number(cases, "benign_rest"));
	print_signs(report, f);
	print_recall(report, f);
	print_curve(report, f);
}
