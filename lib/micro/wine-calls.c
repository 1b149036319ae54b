#include "micro/dynamic-internal.h"
#include "micro/wine.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS 16u
#define ARGUMENT 1024u           /* bytes of one text */
#define OPEN 256u                /* calls that have not returned yet, of all threads */
#define MODULES 4096u
#define LONG_SLEEP_MS 60000
#define CLOCK_LOOP 50u           /* questions for the time in a row that nobody asks but who measures */

struct module { unsigned long pid; uint64_t base, end; };
struct open_call { unsigned long thread; char name[64]; json_t *call; };
struct reader {
	json_t *list;
	unsigned count;
	double began;
	struct open_call open[OPEN];
	size_t opens;
	struct module module[MODULES];   /* Wine's own, of all processes */
	size_t modules;
	json_t *sizes;                   /* of their images, by name; 0: none of Wine's */
};

/* ---- one line: "SECONDS:PID:THREAD:Call MODULE.Function(arguments) ret=ADDRESS" ---- */

struct head { double t; unsigned long pid, thread; const char *rest; };

static bool read_head(const char *line, struct head *h)
{
	char *p;

	h->t = strtod(line, &p);
	if (p == line || *p != ':')
		return false;
	h->pid = strtoul(p + 1, &p, 16);
	if (*p != ':')
		return false;
	h->thread = strtoul(p + 1, &p, 16);
	h->rest = p + 1;
	return *p == ':';
}

/* "MODULE.Function(": the function's name; what stands behind the bracket, or NULL. */
static const char *read_name(const char *p, char name[64])
{
	const char *bracket = strchr(p, '('), *dot = NULL;
	size_t n;

	if (!bracket)
		return NULL;
	for (const char *s = p; s < bracket; s++) {
		if (*s == '.')
			dot = s;
		else if (!isalnum((unsigned char)*s) && !strchr("_-?@$#", *s))
			return NULL;
	}
	if (!dot || dot + 1 == bracket)
		return NULL;
	n = (size_t)(bracket - dot - 1);
	snprintf(name, 64, "%.*s", (int)(n < 63 ? n : 63), dot + 1);
	return bracket + 1;
}

/* The text between quotes as Wine prints it: \" \\ \n \r \t, \xHH, \ooo, and of L"" \HHHH. Behind the closing quote. */
static const char *read_text(const char *p, bool wide, struct buf *out)
{
	for (; *p && *p != '"'; p++) {
		unsigned long c = (unsigned char)*p;
		char digits[5] = { 0 };

		if (*p == '\\' && p[1]) {
			p++;
			c = *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p == 't' ? '\t' : (unsigned char)*p;
			if (*p == 'x' && isxdigit((unsigned char)p[1])) {
				memcpy(digits, p + 1, isxdigit((unsigned char)p[2]) ? 2 : 1);
				p += strlen(digits);
				c = strtoul(digits, NULL, 16);
			} else if (wide && strspn(p, "0123456789abcdefABCDEF") >= 4) {
				memcpy(digits, p, 4);
				p += 3;
				c = strtoul(digits, NULL, 16);
			}
		}
		if (out->len >= ARGUMENT)
			continue;
		if (wide && c >= 0x800)
			buf_addf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
		else if (wide && c >= 0x80)
			buf_addf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
		else if (c)
			buf_addc(out, (char)c);
	}
	return *p ? p + 1 : p;
}

static json_t *number_text(const char *p)
{
	char *end;
	unsigned long long v = strtoull(p, &end, 16);

	return end > p ? json_sprintf("0x%llx", v) : NULL;
}

/* Up to the closing bracket: numbers, and where one leads to text, that. */
static json_t *read_arguments(const char *p)
{
	json_t *list = json_array();

	while (*p && *p != ')' && json_array_size(list) < ARGUMENTS) {
		struct buf b = { 0 };
		json_t *v = number_text(p);
		bool text = false;

		while (*p && *p != ',' && *p != ')') {
			if (*p == '"') {
				p = read_text(p + 1, p[-1] == 'L', &b);
				text = true;
			} else {
				p++;
			}
		}
		if (text) {
			json_decref(v);
			v = jsonio_bytes(b.p ? b.p : (const unsigned char *)"", b.len);
		}
		if (v)
			json_array_append_new(list, v);
		buf_free(&b);
		p += *p == ',';
	}
	return list;
}

/* ---- who calls: Wine's modules are told of as well where they look functions up ---- */

static uint64_t image_size(struct reader *r, const char *name)
{
	json_t *known = json_object_get(r->sizes, name);
	unsigned char head[4096] = { 0 };
	uint32_t at, size = 0;
	char *path;
	int fd;

	if (known)
		return (uint64_t)json_integer_value(known);
	path = buf_printf(WINE_LIBRARIES "/%s", name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && io_read(fd, head, sizeof head) > 0) {
		memcpy(&at, head + 0x3c, sizeof at);
		if (at < sizeof head - 0x54)
			memcpy(&size, head + at + 0x50, sizeof size);
	}
	io_close(&fd);
	free(path);
	json_object_set_new(r->sizes, name, json_integer(size));
	return size;
}

/* "Call PE DLL (proc=..., module=BASE L"NAME",reason=PROCESS_ATTACH, ...)" */
static void on_module(struct reader *r, const struct head *h)
{
	const char *module = strstr(h->rest, "module="), *name = module ? strstr(module, " L\"") : NULL, *end = name ? strchr(name + 3, '"') : NULL;
	char file[64] = "";
	uint64_t base, size;

	if (!end || !strstr(end, "reason=PROCESS_ATTACH") || end - name - 3 >= (ptrdiff_t)sizeof file || r->modules == MODULES)
		return;
	for (size_t i = 0; name + 3 + i < end; i++)
		file[i] = (char)tolower((unsigned char)name[3 + i]);
	base = strtoull(module + 7, NULL, 16);
	size = strchr(file, '/') ? 0 : image_size(r, file);
	if (size)
		r->module[r->modules++] = (struct module){ h->pid, base, base + size };
}

static bool from_wine(const struct reader *r, const struct head *h)
{
	const char *ret = NULL;
	uint64_t from;

	for (const char *s = h->rest; (s = strstr(s, " ret=")); s++)
		ret = s + 5;
	from = ret ? strtoull(ret, NULL, 16) : 0;
	for (size_t i = 0; i < r->modules; i++)
		if (r->module[i].pid == h->pid && from >= r->module[i].base && from < r->module[i].end)
			return true;
	return false;
}

/* ---- calls and what they returned ---- */

static void on_call(struct reader *r, const struct head *h)
{
	char name[64];
	const char *p = read_name(h->rest + 5, name);
	json_t *o;

	if (!p || !strcmp(name, "BaseThreadInitThunk") || from_wine(r, h))
		return;
	if (r->count++ >= WINE_CALLS)
		return;
	if (r->began < 0)
		r->began = h->t;
	o = json_object();
	json_object_set_new(o, "t", json_real((double)(long long)((h->t - r->began) * 1000 + 0.5) / 1000));
	json_object_set_new(o, "pid", json_integer((json_int_t)h->pid));
	json_object_set_new(o, "call", json_string(name));
	json_object_set_new(o, "args", read_arguments(p));
	json_object_set_new(o, "result", json_null());
	json_array_append_new(r->list, o);
	/* Threads that end never return: the oldest gives way. */
	if (r->opens == OPEN)
		memmove(r->open, r->open + 1, --r->opens * sizeof *r->open);
	r->open[r->opens].thread = h->thread;
	r->open[r->opens].call = o;
	memcpy(r->open[r->opens++].name, name, sizeof name);
}

static void on_return(struct reader *r, const struct head *h)
{
	char name[64];
	const char *p = read_name(h->rest + 5, name), *value = p ? strstr(p, "retval=") : NULL;
	json_t *v = value ? number_text(value + 7) : NULL;

	for (size_t i = r->opens; v && i > 0; i--) {
		struct open_call *c = &r->open[i - 1];

		if (c->thread != h->thread || strcmp(c->name, name))
			continue;
		json_object_set(c->call, "result", v);
		memmove(c, c + 1, (r->opens - i) * sizeof *c);
		r->opens--;
		break;
	}
	json_decref(v);
}

json_t *calls_read(int log, unsigned *count, bool *loaded, struct err *e)
{
	struct reader *r = buf_alloc(sizeof *r);
	json_t *list = json_array();
	int copy = dup(log);
	FILE *f = copy < 0 || lseek(copy, 0, SEEK_SET) ? NULL : fdopen(copy, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f) {
		err_sys(e, "cannot read the calls");
		io_close(&copy);
		json_decref(list);
		free(r);
		return NULL;
	}
	*r = (struct reader){ .list = list, .began = -1, .sizes = json_object() };
	while ((n = getline(&line, &room, f)) > 0) {
		struct head h;

		line[n - (line[n - 1] == '\n')] = '\0';
		if (!read_head(line, &h))
			continue;
		if (!strncmp(h.rest, "Call PE DLL ", 12))
			on_module(r, &h);
		else if (!strncmp(h.rest, "Call ", 5))
			on_call(r, &h);
		else if (!strncmp(h.rest, "Ret  ", 5))
			on_return(r, &h);
		*loaded |= !strncmp(h.rest, "Starting thread proc ", 21);
	}
	free(line);
	fclose(f);
	*count = r->count;
	json_decref(r->sizes);
	free(r);
	return list;
}

/* ---- what they say ---- */

static const char *argument(const json_t *call, size_t i)
{
	const char *s = json_string_value(json_array_get(json_object_get(call, "args"), i));

	return s ? s : "";
}

static bool one_of(const char *name, const char *const *list)
{
	while (*list && strcmp(*list, name))
		list++;
	return *list;
}

/* Another process than the caller: its own is -1. */
static bool other(const char *handle)
{
	unsigned long long v = strtoull(handle, NULL, 16);

	return v != 0 && v != UINT64_MAX && v != UINT32_MAX;
}

static void one_sign(const json_t *o, json_t *signs, unsigned *clock)
{
	static const char *const ASKS[] = { "IsDebuggerPresent", "CheckRemoteDebuggerPresent", "OutputDebugStringA", "NtSetInformationThread", NULL };
	static const char *const REACHES[] = { "WriteProcessMemory", "NtWriteVirtualMemory", "ZwWriteVirtualMemory", "CreateRemoteThread",
		"CreateRemoteThreadEx", "NtCreateThreadEx", "RtlCreateUserThread", "VirtualAllocEx", "NtQueueApcThread", NULL };
	static const char *const CLOCKS[] = { "GetTickCount", "GetTickCount64", "timeGetTime", "QueryPerformanceCounter", NULL };
	const char *name = jsonio_str(o, "call");
	char text[160];

	snprintf(text, sizeof text, "it calls %s", name);
	if (one_of(name, ASKS) || (strstr(name, "QueryInformationProcess") && !strcmp(argument(o, 1), "0x7")))
		trail_sign(signs, "watches-for-tracer", text);
	/* Which argument is the process is another one in each; a thread's handle is one of a process of its own making as well. */
	if (one_of(name, REACHES) && (other(argument(o, 0)) || (!strcmp(name, "NtCreateThreadEx") && other(argument(o, 3))))) {
		snprintf(text, sizeof text, "it calls %s for another process", name);
		trail_sign(signs, "injects", text);
	}
	*clock = one_of(name, CLOCKS) ? *clock + 1 : *clock;
	if (*clock == CLOCK_LOOP)
		trail_sign(signs, "watches-clock", "it asks for the time again and again");
	if ((!strcmp(name, "Sleep") || !strcmp(name, "SleepEx")) && strtoull(argument(o, 0), NULL, 16) >= LONG_SLEEP_MS) {
		snprintf(text, sizeof text, "it sleeps for %llu seconds", strtoull(argument(o, 0), NULL, 16) / 1000);
		trail_sign(signs, "long-sleep", text);
	}
}

void calls_signs(const json_t *calls, json_t *signs)
{
	unsigned clock = 0;
	size_t i;
	json_t *o;

	json_array_foreach(calls, i, o)
		if (jsonio_str(o, "call"))
			one_sign(o, signs, &clock);
}
