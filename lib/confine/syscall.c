#include "confine/confine.h"

#include <seccomp.h>
#include <stdlib.h>

char *confine_syscall_name(const char *arch, int number)
{
	uint32_t token = arch ? seccomp_arch_resolve_name(arch) : 0;
	char *name = token ? seccomp_syscall_resolve_num_arch(token, number) : NULL, *ours;

	if (!name)
		return NULL;
	ours = buf_strdup(name);
	free(name);
	return ours;
}
