#include "micro/wine.h"

#include <stdlib.h>
#include <string.h>

static const char *const FIXED[] = { "LANG=en_US.UTF-8", "HOME=/root", "USER=" WINE_USER, "LOGNAME=" WINE_USER, "WINEPREFIX=" WINE_AT,
	"PATH=/usr/lib/wine:/usr/bin:/bin" };

char **wine_environment(const char *debug)
{
	size_t n = sizeof FIXED / sizeof *FIXED;
	char **envp = buf_alloc((n + 2) * sizeof *envp);

	for (size_t i = 0; i < n; i++)
		envp[i] = buf_strdup(FIXED[i]);
	envp[n] = buf_printf("WINEDEBUG=%s", debug);
	return envp;
}

void wine_environment_free(char **envp)
{
	for (size_t i = 0; envp && envp[i]; i++)
		free(envp[i]);
	free(envp);
}

/* ---- names ---- */

char *wine_windows_path(const char *path)
{
	const size_t drive = sizeof WINE_DRIVE - 1, libraries = sizeof WINE_LIBRARIES - 1;
	char *out;

	if (!strncmp(path, WINE_DRIVE, drive) && (path[drive] == '/' || !path[drive]))
		out = buf_printf("C:%s", path[drive] ? path + drive : "/");
	else if (!strncmp(path, WINE_LIBRARIES "/", libraries + 1))
		out = buf_printf("C:/windows/system32%s", path + libraries);   /* where a link to it stands */
	else if (path[0] == '/')
		out = buf_printf("Z:%s", path);
	else
		return NULL;
	for (char *p = out; *p; p++)
		if (*p == '/')
			*p = '\\';
	return out;
}

char *wine_world_path(const char *windows)
{
	char *out;

	if (!windows[0] || windows[1] != ':')
		return NULL;
	if ((windows[0] | 32) == 'c')
		out = buf_printf(WINE_DRIVE "%s", windows + 2);
	else if ((windows[0] | 32) == 'z')
		out = buf_strdup(windows + 2);
	else
		return NULL;
	for (char *p = out; *p; p++)
		if (*p == '\\')
			*p = '/';
	return out;
}

/* PE32+ with one section, of a header and five bytes of code: xor eax, eax; ret (PE format, Microsoft, revision 11). */
int wine_inert(struct err *e)
{
	static const unsigned char CODE[] = { 0x31, 0xc0, 0xc3 };
	static const struct { unsigned at, bytes; uint64_t value; } FIELDS[] = {
		{ 0, 2, 0x5a4d }, { 0x3c, 4, 0x40 }, { 0x40, 4, 0x4550 }, { 0x44, 2, 0x8664 }, { 0x46, 2, 1 }, { 0x54, 2, 0xf0 }, { 0x56, 2, 0x22 },
		{ 0x58, 2, 0x20b }, { 0x5c, 4, 0x200 }, { 0x68, 4, 0x1000 }, { 0x6c, 4, 0x1000 }, { 0x70, 8, 0x140000000 }, { 0x78, 4, 0x1000 },
		{ 0x7c, 4, 0x200 }, { 0x80, 2, 6 }, { 0x88, 2, 6 }, { 0x90, 4, 0x2000 }, { 0x94, 4, 0x200 }, { 0x9c, 2, 3 }, { 0xa0, 8, 0x100000 },
		{ 0xa8, 8, 0x1000 }, { 0xb0, 8, 0x100000 }, { 0xb8, 8, 0x1000 }, { 0xc4, 4, 16 },
		{ 0x148, 8, 0x747865742e }, { 0x150, 4, 0x1000 }, { 0x154, 4, 0x1000 }, { 0x158, 4, 0x200 }, { 0x15c, 4, 0x200 },
		{ 0x16c, 4, 0x60000020 },
	};
	unsigned char image[0x400] = { 0 };
	int fd = io_tmp(e);

	for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
		for (unsigned k = 0; k < FIELDS[i].bytes; k++)
			image[FIELDS[i].at + k] = (unsigned char)(FIELDS[i].value >> 8 * k);
	memcpy(image + 0x200, CODE, sizeof CODE);
	if (fd >= 0 && io_write(fd, image, sizeof image)) {
		io_close(&fd);
		err_sys(e, "cannot write a program");
	}
	return fd;
}
