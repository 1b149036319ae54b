/* mnicter export: a case for the field's other tools, or as a page. */
#include "mnicter.h"

#include "export/export.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In a folder the file has the case's name. */
static bool is_folder(const char *path)
{
	struct stat st;

	return path && strcmp(path, "-") && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Through a temporary file: where it goes is known only when the case was read. */
static int into_folder(enum export_format f, int in, const char *folder, struct err *e)
{
	char id[33], *path = NULL;
	int tmp = io_tmp(e), rc = -1, well;
	struct atomic *out = NULL;
	uint64_t copied;
	FILE *held = tmp < 0 ? NULL : fdopen(tmp, "w+");

	if (!held) {
		if (tmp >= 0)
			err_sys(e, "cannot hold the export in a temporary file");
		io_close(&tmp);
		return -1;
	}
	well = export_case(f, in, held, id, e);
	if (well < 0)
		goto out;
	path = buf_printf("%s/%s.%s", folder, id, export_suffix(f));
	out = atomic_open(path, 0644, true, e);
	if (!out)
		goto out;
	if (lseek(tmp, 0, SEEK_SET) != 0) {
		err_sys(e, "cannot read the held export");
		goto out;
	}
	if (io_copy(tmp, atomic_fd(out), CAP_CASE, &copied, e))
		goto out;
	rc = atomic_commit(out, e) ? -1 : well;
	out = NULL;
out:
	atomic_abort(out);
	fclose(held);
	free(path);
	return rc;
}

static int into_file(enum export_format f, int in, const char *path, struct err *e)
{
	struct atomic *out = atomic_open(path, 0644, true, e);
	int fd = out ? dup(atomic_fd(out)) : -1, rc;
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");

	if (!stream) {
		if (out)
			err_sys(e, "cannot open the output");
		io_close(&fd);
		atomic_abort(out);
		return -1;
	}
	rc = export_case(f, in, stream, NULL, e);
	if (fclose(stream) && rc >= 0)
		rc = err_sys(e, "cannot write the export");
	if (rc < 0) {
		atomic_abort(out);
		return -1;
	}
	return atomic_commit(out, e) ? -1 : rc;
}

int mnicter_export(struct options *o, struct err *e)
{
	enum export_format f;
	int in, rc;

	if (!o->format)
		tool_usage(&o->t, "which format? give -f stix, misp, yara or html");
	if (export_format_of(o->format, &f))
		tool_usage(&o->t, "%s is no format: stix, misp, yara and html are", err_q(o->format));
	in = io_open_in(o->operands[0], e);
	if (in < 0)
		return -1;
	rc = is_folder(o->t.out) ? into_folder(f, in, o->t.out, e) : into_file(f, in, o->t.out, e);
	io_close(&in);
	return rc;
}
