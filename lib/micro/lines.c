#include "micro/dynamic-internal.h"

#include <stdlib.h>
#include <string.h>

#define LINES 200u           /* of one file */
#define LINE 4096u

struct lines { char **line; size_t count; };

static void split(struct buf *b, struct lines *l)
{
	size_t room = 0;

	*l = (struct lines){ 0 };
	for (size_t at = 0; at < b->len; ) {
		unsigned char *end = memchr(b->p + at, '\n', b->len - at);
		size_t n = (end ? (size_t)(end - b->p) : b->len) - at;

		b->p[at + n] = '\0';
		if (l->count == room) {
			room = room ? room * 2 : 64;
			l->line = buf_realloc(l->line, room, sizeof *l->line);
		}
		l->line[l->count++] = (char *)b->p + at;
		at += n + 1;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of `now` that are more often there than in `before`, in their order. */
static json_t *added(struct lines *now, struct lines *before)
{
	json_t *list = json_array();
	bool *used = buf_alloc(before->count + 1);

	if (before->count)
		qsort(before->line, before->count, sizeof *before->line, by_text);
	for (size_t i = 0; i < now->count && json_array_size(list) < LINES; i++) {
		char *text = now->line[i], **hit = before->count ? bsearch(&text, before->line, before->count, sizeof *before->line, by_text) : NULL;
		size_t k = hit ? (size_t)(hit - before->line) : before->count;
		bool old = false;

		while (k > 0 && k < before->count && !strcmp(before->line[k - 1], text))
			k--;
		for (; !old && k < before->count && !strcmp(before->line[k], text); k++)
			if (!used[k])
				old = used[k] = true;
		if (!old && *text)
			json_array_append_new(list, jsonio_bytes(text, strnlen(text, LINE)));
	}
	free(used);
	return list;
}

json_t *lines_added(struct buf *now, struct buf *before)
{
	struct lines a, b;
	json_t *list;

	split(now, &a);
	split(before, &b);
	list = added(&a, &b);
	free(a.line);
	free(b.line);
	return list;
}
