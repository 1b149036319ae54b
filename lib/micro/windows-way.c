/* Whether a Windows program can be run on this machine. */
#include "micro/dynamic-internal.h"
#include "micro/wine.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINE_32 "/usr/lib/i386-linux-gnu/wine/i386-windows/ntdll.dll"

static const char *format_of_sample(const struct micro_sample *s)
{
	const char *format = jsonio_str(s->stat, "format");

	return format ? format : "";
}

bool windows_program(const struct micro_sample *s)
{
	const char *format = format_of_sample(s);

	return !strcmp(format, "pe64-x86-64") || !strcmp(format, "pe32-i386");
}

/* An ELF file of 32 bits that ends at once: mov eax, 1; xor ebx, ebx; int 0x80 (ELF specification 1.2, System V ABI for i386). */
static bool kernel_runs_32(void)
{
	static const unsigned char PROGRAM[] = {
		0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 4, 8, 0x34, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0x34, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 8, 0, 0x80, 4, 8,
		0x5d, 0, 0, 0, 0x5d, 0, 0, 0, 5, 0, 0, 0, 0, 0x10, 0, 0, 0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80,
	};
	char path[64];
	const char *const argv[] = { path, NULL };
	struct spawn p = { .argv = argv, .in = -1, .out = -1, .errfd = STDERR_FILENO };
	struct err ignored;
	int fd = memfd_create("runs", MFD_ALLOW_SEALING), rc = -1;

	if (fd < 0)
		return false;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
	if (io_write(fd, PROGRAM, sizeof PROGRAM) == 0 && spawn_start(&p, &ignored) == 0)
		rc = spawn_wait(&p, 2000, &ignored);
	close(fd);
	return rc == 0;
}

const char *windows_obstacle(const struct micro_sample *s)
{
	const json_t *pe = json_object_get(s->stat, "pe");
	const char *subsystem = jsonio_str(pe, "subsystem");

	if (!wine_installed())
		return "Wine is not installed (wine64)";
	if (subsystem && !strcmp(subsystem, "native"))
		return "a driver: Wine runs programs only";
	if (strcmp(format_of_sample(s), "pe32-i386"))
		return NULL;
	if (access(WINE_32, R_OK))
		return "a 32-bit program, and Wine's 32-bit half is not installed (wine32)";
	return kernel_runs_32() ? NULL : "a 32-bit program, and this machine's kernel runs none";
}
