/* mscan --list-signs, --explain. */
#include "mscan.h"

int mscan_list(const struct judge *j)
{
	const struct judge_sign *s;
	size_t i;

	for (i = 0; (s = judge_at(j, i)); i++)
		printf("%-20s %-10s %6.1f%c %s\n", s->name, s->group, s->weight, s->derived ? ' ' : '~', s->meaning);
	return 0;
}

int mscan_explain(const struct judge *j, const char *name, struct err *e)
{
	const struct judge_sign *s = judge_find(j, name);
	struct buf text = { 0 };

	if (!s)
		return err_set(e, EX_USAGE, "there is no sign %s; see --list-signs", err_q(name));
	judge_explain(s, &text);
	fputs(buf_str(&text), stdout);
	buf_free(&text);
	return 0;
}
