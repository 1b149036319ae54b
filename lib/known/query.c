/* query: a digest or a file that somebody asks for, and the answer. */
#include "known/known.h"

#include <string.h>

static int refuse_digest(const char *operand, struct err *e)
{
	return err_set(e, EX_DATAERR, "%s is neither a file nor a SHA-256: that has 64 hexadecimal digits, not %zu", err_q(operand), strlen(operand));
}

/* Long enough that nobody calls a file so by accident. */
static bool like_digest(const char *operand)
{
	return strlen(operand) >= 16 && !operand[strspn(operand, "0123456789abcdefABCDEF")];
}

int query_digest(const char *operand, char hex[DIGEST_HEX], struct err *e)
{
	unsigned char digest[KNOWN_DIGEST];
	int fd, rc;

	if (like_digest(operand) && strlen(operand) == DIGEST_HEX - 1 && !digest_unhex(operand, digest, sizeof(digest))) {
		digest_tohex(digest, sizeof(digest), hex);
		return 0;
	}
	fd = io_open_in(operand, e);
	if (fd < 0)
		return e->code == EX_NOINPUT && like_digest(operand) ? refuse_digest(operand, e) : -1;
	if ((rc = digest_fd(fd, CAP_BODY, hex, NULL, e)) < 0)
		err_wrap(e, "%s", err_q(operand));
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
