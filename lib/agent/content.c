/* What is in a case that travels: its id, the bodies it carries, and whether it may go as it is. */
#include "agent/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int note_head(struct casein *in, struct content *c, struct err *e)
{
	json_t *head = casein_json(in, e);
	const char *id = jsonio_str(head, "id");
	int rc = head ? 0 : -1;

	if (head && (!id || !frames_id_ok(id)))
		rc = err_set(e, EX_DATAERR, "case.json has no id of 32 hex digits");
	else if (head)
		memcpy(c->id, id, LINK_ID);
	json_decref(head);
	return rc;
}

static void note_body(struct content *c, const struct member *m)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->bodies = buf_realloc(c->bodies, c->cap, sizeof(*c->bodies));
	}
	memcpy(c->bodies[c->n].sha256, m->code, DIGEST_HEX);
	c->bodies[c->n++].size = m->size;
}

int content_read(int fd, bool plain, struct content *c, struct err *e)
{
	const struct member *m;
	struct casein *in;
	int rc;

	memset(c, 0, sizeof(*c));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the case");
	in = casein_open(fd, e);
	if (!in)
		return -1;
	while ((rc = casein_next(in, &m, e)) == 1) {
		if (m->kind == MEMBER_BODY_CMS)
			note_body(c, m);
		else if ((m->kind == MEMBER_BODY || m->kind == MEMBER_MEMORY) && !plain)
			rc = err_set(e, EX_DATAERR, "%s is not sealed: seal the case with mpack -r, or say --plain", err_q(m->path));
		else if (m->kind == MEMBER_CASE)
			rc = note_head(in, c, e);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		c->is_signed = casein_signature(in)->len > 0;
	casein_close(in);
	return rc;
}

void content_free(struct content *c)
{
	free(c->bodies);
	*c = (struct content){ 0 };
}
