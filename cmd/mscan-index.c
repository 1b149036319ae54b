/* The scan index and the case are two files, whatever their names. */
#include "mscan.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool same_folder(const char *a, const char *b)
{
	char *left = buf_strdup(a), *right = buf_strdup(b);
	struct stat x, y;
	bool same = !stat(dirname(left), &x) && !stat(dirname(right), &y) && same_inode(&x, &y);

	free(left);
	free(right);
	return same;
}

static bool same_base(const char *a, const char *b)
{
	char *left = buf_strdup(a), *right = buf_strdup(b);
	bool same = !strcmp(basename(left), basename(right));

	free(left);
	free(right);
	return same;
}

/* Is it the same file, or would it be? out NULL: standard output. */
static bool same_place(const char *out, const char *name)
{
	struct stat x, y;
	bool there = !stat(name, &y);

	if (!out)
		return there && !fstat(STDOUT_FILENO, &x) && S_ISREG(x.st_mode) && same_inode(&x, &y);
	return (there && !stat(out, &x) && same_inode(&x, &y)) || (same_base(out, name) && same_folder(out, name));
}

void mscan_check_index(const struct options *o)
{
	const char *out = o->t.out && strcmp(o->t.out, "-") ? o->t.out : NULL;
	char *key;

	if (!o->index)
		return;
	if (!*o->index || !strcmp(o->index, "-"))
		tool_usage(&o->t, "-i wants the name of a file, not %s", err_q(o->index));
	key = buf_printf("%s.key", o->index);
	if (same_place(out, o->index) || same_place(out, key))
		tool_usage(&o->t, "the case cannot stand where the scan index %s or its key does: give -i or -o another name", err_q(o->index));
	free(key);
}
