#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hex_field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

void rights_look(struct host *h, const struct proc *p, const struct stat *exe, struct piece *program, struct piece *main)
{
	struct buf status = { 0 };
	struct stat ours, theirs;
	unsigned long real, effective;
	uint64_t ambient;
	const char *at;
	char *end;

	/* in a user namespace of its own everybody is root of little */
	if (fstatat(p->dir, "ns/user", &theirs, 0) < 0 || fstatat(h->proc, "self/ns/user", &ours, 0) < 0 || ours.st_ino != theirs.st_ino
	    || io_slurp_at(p->dir, "status", CAP_SLURP, &status) <= 0 || !(at = strstr(buf_str(&status), "\nUid:")))
		goto out;
	real = strtoul(at + 5, &end, 10);
	effective = strtoul(end, NULL, 10);
	if (!effective && real && !(exe->st_mode & S_ISUID))
		piece_sign(h, main, "root-by-inheritance", "process %d (%s) of user %lu has root's rights, which its program does not give", (int)p->pid,
		           p->comm, real);
	ambient = hex_field(buf_str(&status), "\nCapAmb:");
	if (ambient && (piece_signed(program, "unowned") || piece_signed(program, "deleted") || piece_signed(program, "memfd")))
		piece_sign(h, main, "ambient-capabilities", "process %d (%s) of user %lu passes on the capabilities %llx", (int)p->pid, p->comm, real,
		           (unsigned long long)ambient);
out:
	buf_free(&status);
}
