/* Windows' functions for text and names. */
#include "emulate/windows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MOST 65536u

/* At most `room` characters with the zero; how many were written without it, 0 when there is no room. */
uint64_t windows_put_text(struct windows *w, uint64_t at, const char *s, unsigned width, uint64_t room)
{
	size_t n = strlen(s);

	if (n + 1 > room)
		return 0;
	for (size_t i = 0; i <= n; i++)
		machine_put_number(w->m, at + i * width, (unsigned char)s[i], width);
	return n;
}

static uint64_t length(struct windows *w, uint64_t at, unsigned width)
{
	uint64_t n = 0;

	while (n < TEXT_MOST && at && machine_number(w->m, at + n * width, width))
		n++;
	return n;
}

static uint64_t copy_text(struct windows *w, uint64_t to, uint64_t from, unsigned width, uint64_t most)
{
	uint64_t n = length(w, from, width);

	if (n > most)
		n = most;
	for (uint64_t i = 0; i < n; i++)
		machine_put_number(w->m, to + i * width, machine_number(w->m, from + i * width, width), width);
	machine_put_number(w->m, to + n * width, 0, width);
	return to;
}

static uint64_t compare(struct windows *w, uint64_t a, uint64_t b, unsigned width, uint64_t most, bool fold)
{
	for (uint64_t i = 0; i < most; i++) {
		int x = (int)machine_number(w->m, a + i * width, width), y = (int)machine_number(w->m, b + i * width, width);

		if (fold && x < 128 && y < 128) {
			x = tolower(x);
			y = tolower(y);
		}
		if (x != y)
			return x < y ? UINT32_MAX : 1;
		if (!x)
			break;
	}
	return 0;
}

static uint64_t len_a(struct windows *w, const uint64_t *a) { return length(w, a[0], 1); }
static uint64_t len_w(struct windows *w, const uint64_t *a) { return length(w, a[0], 2); }
static uint64_t copy_a(struct windows *w, const uint64_t *a) { return copy_text(w, a[0], a[1], 1, TEXT_MOST); }
static uint64_t copy_w(struct windows *w, const uint64_t *a) { return copy_text(w, a[0], a[1], 2, TEXT_MOST); }
static uint64_t copyn_a(struct windows *w, const uint64_t *a) { return a[2] ? copy_text(w, a[0], a[1], 1, a[2] - 1) : a[0]; }
static uint64_t copyn_w(struct windows *w, const uint64_t *a) { return a[2] ? copy_text(w, a[0], a[1], 2, a[2] - 1) : a[0]; }

static uint64_t cat_a(struct windows *w, const uint64_t *a)
{
	copy_text(w, a[0] + length(w, a[0], 1), a[1], 1, TEXT_MOST);
	return a[0];
}

static uint64_t cat_w(struct windows *w, const uint64_t *a)
{
	copy_text(w, a[0] + 2 * length(w, a[0], 2), a[1], 2, TEXT_MOST);
	return a[0];
}

static uint64_t cmp_a(struct windows *w, const uint64_t *a) { return compare(w, a[0], a[1], 1, TEXT_MOST, false); }
static uint64_t cmp_w(struct windows *w, const uint64_t *a) { return compare(w, a[0], a[1], 2, TEXT_MOST, false); }
static uint64_t cmpi_a(struct windows *w, const uint64_t *a) { return compare(w, a[0], a[1], 1, TEXT_MOST, true); }
static uint64_t cmpi_w(struct windows *w, const uint64_t *a) { return compare(w, a[0], a[1], 2, TEXT_MOST, true); }
static uint64_t cmpn_a(struct windows *w, const uint64_t *a) { return compare(w, a[0], a[1], 1, a[2], false); }

static uint64_t widen(struct windows *w, const uint64_t *a)
{
	uint64_t n = (uint32_t)a[3] == UINT32_MAX ? length(w, a[2], 1) + 1 : a[3];

	if (!a[5])
		return n;
	if (n > a[5])
		return 0;
	for (uint64_t i = 0; i < n && i < TEXT_MOST; i++)
		machine_put_number(w->m, a[4] + 2 * i, machine_number(w->m, a[2] + i, 1), 2);
	return n;
}

static uint64_t narrow(struct windows *w, const uint64_t *a)
{
	uint64_t n = (uint32_t)a[3] == UINT32_MAX ? length(w, a[2], 2) + 1 : a[3];

	if (!a[5])
		return n;
	if (n > a[5])
		return 0;
	for (uint64_t i = 0; i < n && i < TEXT_MOST; i++)
		machine_put_number(w->m, a[4] + i, machine_number(w->m, a[2] + 2 * i, 2), 1);
	return n;
}

/* ---- names of the machine ---- */

static uint64_t name_first(struct windows *w, const uint64_t *a, const char *s, unsigned width) { return windows_put_text(w, a[0], s, width, a[1]); }
static uint64_t system_a(struct windows *w, const uint64_t *a) { return name_first(w, a, "C:\\Windows\\System32", 1); }
static uint64_t system_w(struct windows *w, const uint64_t *a) { return name_first(w, a, "C:\\Windows\\System32", 2); }
static uint64_t windows_a(struct windows *w, const uint64_t *a) { return name_first(w, a, "C:\\Windows", 1); }
static uint64_t windows_w(struct windows *w, const uint64_t *a) { return name_first(w, a, "C:\\Windows", 2); }
static uint64_t temp_a(struct windows *w, const uint64_t *a) { return windows_put_text(w, a[1], "C:\\Users\\Anna\\AppData\\Local\\Temp\\", 1, a[0]); }
static uint64_t temp_w(struct windows *w, const uint64_t *a) { return windows_put_text(w, a[1], "C:\\Users\\Anna\\AppData\\Local\\Temp\\", 2, a[0]); }

/* Buffer, and where its size stands and the length goes. */
static uint64_t counted(struct windows *w, const uint64_t *a, const char *s, unsigned width)
{
	uint64_t n = windows_put_text(w, a[0], s, width, machine_number(w->m, a[1], 4));

	machine_put_number(w->m, a[1], strlen(s), 4);
	return n != 0;
}

static uint64_t computer_a(struct windows *w, const uint64_t *a) { return counted(w, a, "ANNA-PC", 1); }
static uint64_t computer_w(struct windows *w, const uint64_t *a) { return counted(w, a, "ANNA-PC", 2); }
static uint64_t user_a(struct windows *w, const uint64_t *a) { return counted(w, a, "Anna", 1); }
static uint64_t user_w(struct windows *w, const uint64_t *a) { return counted(w, a, "Anna", 2); }

static uint64_t environment(struct windows *w, uint64_t *kept, unsigned width)
{
	static const char text[] = "COMPUTERNAME=ANNA-PC\0SystemRoot=C:\\Windows\0TEMP=C:\\Users\\Anna\\AppData\\Local\\Temp\0USERNAME=Anna\0";

	if (!*kept) {
		*kept = windows_alloc(w, sizeof text * width);
		for (size_t i = 0; i < sizeof text; i++)
			machine_put_number(w->m, *kept + i * width, (unsigned char)text[i], width);
	}
	return *kept;
}

static uint64_t environment_a(struct windows *w, const uint64_t *a) { (void)a; return environment(w, &w->environment_a, 1); }
static uint64_t environment_w(struct windows *w, const uint64_t *a) { (void)a; return environment(w, &w->environment_w, 2); }
static uint64_t code_page(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 1252; }

static uint64_t code_page_info(struct windows *w, const uint64_t *a)
{
	machine_put_number(w->m, a[1], 1, 4);
	for (unsigned i = 0; i < 14; i++)
		machine_put_number(w->m, a[1] + 4 + i, i ? 0 : '?', 1);
	return 1;
}

/* In words that programs look for: digits, letters, blanks (CT_CTYPE1). */
static uint64_t string_type(struct windows *w, uint64_t from, uint64_t n, uint64_t out, unsigned width)
{
	for (uint64_t i = 0; i < n && i < TEXT_MOST; i++) {
		int c = (int)machine_number(w->m, from + i * width, width);
		unsigned t = c > 127 ? 0 : (isupper(c) ? 1u : 0) | (islower(c) ? 2u : 0) | (isdigit(c) ? 4u : 0) | (isspace(c) ? 8u : 0) |
			(ispunct(c) ? 16u : 0) | (iscntrl(c) ? 32u : 0) | (isxdigit(c) ? 128u : 0) | (isalpha(c) ? 256u : 0);

		machine_put_number(w->m, out + 2 * i, t, 2);
	}
	return 1;
}

static uint64_t type_a(struct windows *w, const uint64_t *a) { return string_type(w, a[2], a[3], a[4], 1); }
static uint64_t type_w(struct windows *w, const uint64_t *a) { return string_type(w, a[1], a[2], a[3], 2); }

const struct windows_entry windows_text_table[] = {
	{ "lstrlenA", len_a }, { "lstrlen", len_a }, { "lstrlenW", len_w }, { "strlen", len_a }, { "wcslen", len_w }, { "lstrcpyA", copy_a },
	{ "lstrcpy", copy_a }, { "lstrcpyW", copy_w }, { "strcpy", copy_a }, { "wcscpy", copy_w }, { "lstrcpynA", copyn_a },
	{ "lstrcpynW", copyn_w }, { "lstrcatA", cat_a }, { "lstrcat", cat_a }, { "lstrcatW", cat_w }, { "strcat", cat_a }, { "wcscat", cat_w },
	{ "lstrcmpA", cmp_a }, { "lstrcmpW", cmp_w }, { "strcmp", cmp_a }, { "wcscmp", cmp_w }, { "lstrcmpiA", cmpi_a }, { "lstrcmpiW", cmpi_w },
	{ "_stricmp", cmpi_a }, { "_strcmpi", cmpi_a }, { "_wcsicmp", cmpi_w }, { "strncmp", cmpn_a },
	{ "MultiByteToWideChar", widen }, { "WideCharToMultiByte", narrow }, { "GetSystemDirectoryA", system_a },
	{ "GetSystemDirectoryW", system_w }, { "GetWindowsDirectoryA", windows_a }, { "GetWindowsDirectoryW", windows_w },
	{ "GetTempPathA", temp_a }, { "GetTempPathW", temp_w }, { "GetComputerNameA", computer_a }, { "GetComputerNameW", computer_w },
	{ "GetUserNameA", user_a }, { "GetUserNameW", user_w }, { "GetEnvironmentStrings", environment_a },
	{ "GetEnvironmentStringsA", environment_a }, { "GetEnvironmentStringsW", environment_w }, { "GetACP", code_page },
	{ "GetOEMCP", code_page }, { "GetCPInfo", code_page_info }, { "GetStringTypeA", type_a }, { "GetStringTypeW", type_w },
	{ NULL, NULL },
};
