/* query: a digest or a file that somebody asks for, and the answer. */
#include "known/known.h"

#include <string.h>

int query_digest(const char *operand, char hex[DIGEST_HEX], struct err *e)
{
	int fd, rc;

	if (digest_ok(operand)) {
		memcpy(hex, operand, DIGEST_HEX);
		return 0;
	}
	fd = io_open_in(operand, e);
	rc = fd < 0 ? -1 : digest_fd(fd, CAP_BODY, hex, NULL, e);
	io_close(&fd);
	return rc;
}

json_t *query_json(const char *operand, const char *hex, const struct index_hit *hit)
{
	json_t *j = json_pack("{so ss sb}", "query", jsonio_name(operand), "sha256", hex, "known", hit != NULL);
	json_t *mark = hit ? decide_mark(hit) : json_object();

	json_object_update(j, mark);
	json_decref(mark);
	return j;
}

void query_text(const char *operand, const char *hex, const struct index_hit *hit, struct buf *text)
{
	const char *set = hit ? hit->source : NULL, *name, *between = "";
	size_t len;

	if (!hit) {
		buf_addf(text, "unknown  %s  %s", hex, strcmp(hex, operand) ? err_q(operand) : "");
		return;
	}
	buf_addf(text, "known    %s  ", hex);
	for (; source_next(&set, &name, &len); between = ", ")
		buf_addf(text, "%s%s", between, err_qn(name, len));
	if (hit->name)
		buf_addf(text, "  %s", err_q(hit->name));
}
