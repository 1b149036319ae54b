/* disasm.txt: functions as an analyst likes to read them. */
#include "code/walk.h"

#include "confine/confine.h"

#include <stdlib.h>
#include <string.h>

#define LINE 196u                /* columns: 200 with what says that it was cut */
#define LISTED 8u                /* callers and jumps named */
#define TEXT 60u                 /* characters of a text that an address leads to */
#define TEXT_LEAST 3u            /* shorter ones are mostly chance */
#define COMMENT 84u              /* column */
#define ENTRY 48u                /* instructions shown at the entry point */

struct line { char s[LINE + 8]; size_t n; bool cut; };

struct listing {
	struct walk *w;
	const struct names *names;
	struct buf *out;
};

/* ---- lines ---- */

static void put(struct line *l, char c)
{
	if (l->n < LINE)
		l->s[l->n++] = c;
	else
		l->cut = true;
}

PRINTF(2, 3) static void putf(struct line *l, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (const char *s = text; *s; s++)
		put(l, *s);
}

/* Names and texts are the file's: bytes that are not printable ASCII are escaped. */
static void put_byte(struct line *l, unsigned char c, bool quoted)
{
	if (c == '\n' && quoted)
		putf(l, "\\n");
	else if (c == '\t' && quoted)
		putf(l, "\\t");
	else if (c < 0x20 || c >= 0x7f)
		putf(l, "\\x%02x", c);
	else if (quoted && (c == '"' || c == '\\'))
		putf(l, "\\%c", c);
	else
		put(l, (char)c);
}

static void put_name(struct line *l, const char *s)
{
	for (size_t k = 0; k < TEXT && s[k]; k++)
		put_byte(l, (unsigned char)s[k], false);
	if (strnlen(s, TEXT + 1) > TEXT)
		putf(l, "~");
}

static void column(struct line *l, size_t at)
{
	do
		put(l, ' ');
	while (l->n < at && l->n < LINE);
}

static void end_line(struct listing *g, struct line *l)
{
	while (l->n && l->s[l->n - 1] == ' ')
		l->n--;
	if (l->cut) {
		memcpy(l->s + l->n, "...", 3);
		l->n += 3;
	}
	buf_add(g->out, l->s, l->n);
	buf_addc(g->out, '\n');
	*l = (struct line){ .n = 0 };
}

/* ---- what stands at an address ---- */

/* The length in characters of a text that ends with a NUL; *wide: in UTF-16. */
static size_t text_at(const struct walk *w, uint64_t address, const unsigned char **p, bool *wide)
{
	size_t left, n = 0;

	*p = view_at(w->v, address, &left);
	if (!*p)
		return 0;
	*wide = left >= 2 && (*p)[1] == 0 && (*p)[0] != 0;
	for (size_t step = *wide ? 2 : 1; n * step + step <= left; n++) {
		unsigned c = (*p)[n * step];

		if (*wide && (*p)[n * step + 1])
			return 0;
		if (!c)
			return n >= TEXT_LEAST ? n : 0;
		if (!((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\r'))
			return 0;
		if (n == 4096)
			return n;
	}
	return 0;
}

static void put_label(const struct listing *g, struct line *l, uint64_t address)
{
	const char *name = names_of(g->names, address), *thunk = name ? NULL : names_thunk(g->names, g->w, address);

	if (name)
		put_name(l, name);
	else if (thunk)
		put_name(l, thunk), putf(l, "@plt");
	else
		putf(l, "%s%llx", order_function_at(g->w, address) ? "fn_" : walk_leads(g->w, address) ? "loc_" : "", (unsigned long long)address);
}

static void put_section(const struct listing *g, struct line *l, uint64_t address)
{
	const struct code_view *v = g->w->v;

	for (size_t i = 0; i < v->sections; i++) {
		const struct code_section *s = &v->section[i];

		if (address < s->address || address - s->address >= s->size || !*s->name)
			continue;
		put_name(l, s->name);
		putf(l, "+0x%llx", (unsigned long long)(address - s->address));
		return;
	}
	putf(l, "0x%llx", (unsigned long long)address);
}

static void put_reference(const struct listing *g, struct line *l, uint64_t address)
{
	const char *import = names_import(g->names, address);
	const unsigned char *p;
	bool wide;
	size_t n;

	if (import) {
		put_name(l, import);
		return;
	}
	if (names_of(g->names, address) || order_function_at(g->w, address)) {
		put_label(g, l, address);
		return;
	}
	n = text_at(g->w, address, &p, &wide);
	if (!n) {
		put_section(g, l, address);
		return;
	}
	putf(l, wide ? "L\"" : "\"");
	for (size_t k = 0; k < n && k < TEXT; k++)
		put_byte(l, p[wide ? 2 * k : k], true);
	putf(l, n > TEXT ? "\"~" : "\"");
}

/* ---- an instruction ---- */

static void put_bytes(struct line *l, uint64_t address, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	putf(l, "  %8llx:  ", (unsigned long long)address);
	for (size_t k = 0; k < n && k < 15; k++) {
		put(l, hex[p[k] >> 4]);
		put(l, hex[p[k] & 15]);
		put(l, ' ');
	}
	column(l, 43);
}

static void put_system_call(const struct listing *g, struct line *l, const struct walk_note *n)
{
	static const char *const arch[] = { [MACHINE_X86_64] = "x86_64", [MACHINE_I386] = "x86", [MACHINE_ARM] = "arm", [MACHINE_AARCH64] = "aarch64" };
	char *name = n->value < 0x10000000 ? confine_syscall_name(n->count ? "x86" : arch[g->w->v->machine], (int)n->value) : NULL;

	putf(l, "; system call %llu", (unsigned long long)n->value);
	if (name)
		putf(l, ": %s", name);
	free(name);
}

static void put_comment(const struct listing *g, struct line *l, uint64_t at)
{
	const struct walk_note *n = order_note_of(g->w, at, WALK_SWITCH);

	if (n) {
		column(l, COMMENT);
		putf(l, "; switch of %u at ", n->count);
		put_section(g, l, n->value);
		return;
	}
	n = order_note_of(g->w, at, WALK_SYSTEM_CALL);
	if (n) {
		column(l, COMMENT);
		put_system_call(g, l, n);
		return;
	}
	n = order_note_of(g->w, at, WALK_REFERENCE);
	if (n) {
		column(l, COMMENT);
		putf(l, "; ");
		put_reference(g, l, n->value);
	}
}

/* One instruction of capstone's; the bytes of what it does not know stand as they are. */
static void put_instruction(struct listing *g, const unsigned char *p, size_t size, uint64_t address, const struct insn *i)
{
	const uint8_t *at = p;
	uint64_t next = address;
	size_t left = size;
	struct line l = { .n = 0 };

	put_bytes(&l, address, p, size);
	if (!cs_disasm_iter(g->w->cs, &at, &left, &next, g->w->cs_insn) || left) {
		putf(&l, ".byte");
	} else if (i->direct) {
		const char *op = g->w->cs_insn->op_str, *last = strrchr(op, ' ');

		putf(&l, "%s %.*s", g->w->cs_insn->mnemonic, last ? (int)(last + 1 - op) : 0, op);
		put_label(g, &l, i->target);
	} else {
		putf(&l, "%s %s", g->w->cs_insn->mnemonic, g->w->cs_insn->op_str);
	}
	put_comment(g, &l, address);
	end_line(g, &l);
}

/* ---- functions ---- */

static void put_jumps(struct listing *g, uint64_t address)
{
	size_t n, shown = 0;
	const struct walk_edge *e = order_edges_to(g->w, address, &n);
	struct line l = { .n = 0 };

	for (size_t k = 0; k < n; k++) {
		if (e[k].kind != WALK_BRANCH)
			continue;
		if (!shown)
			putf(&l, "loc_%llx:  ; <- ", (unsigned long long)address);
		if (shown < LISTED)
			putf(&l, "%s%llx", shown ? ", " : "", (unsigned long long)e[k].from);
		shown++;
	}
	if (shown > LISTED)
		putf(&l, " and %zu more", shown - LISTED);
	if (shown)
		end_line(g, &l);
}

static void put_callers(struct listing *g, uint64_t address)
{
	size_t n, shown = 0;
	const struct walk_edge *e = order_edges_to(g->w, address, &n);
	struct line l = { .n = 0 };

	for (size_t k = 0; k < n; k++) {
		if (e[k].kind == WALK_BRANCH)
			continue;
		if (!shown)
			putf(&l, "; called by ");
		if (shown < LISTED) {
			putf(&l, "%s", shown ? ", " : "");
			put_label(g, &l, g->w->function[e[k].function].address);
			putf(&l, " (%llx%s)", (unsigned long long)e[k].from, e[k].kind == WALK_TAIL ? ", jump" : "");
		}
		shown++;
	}
	if (shown > LISTED)
		putf(&l, " and %zu more", shown - LISTED);
	if (shown)
		end_line(g, &l);
}

static void put_head(struct listing *g, const struct walk_function *fn, const char *digest)
{
	struct line l = { .n = 0 };

	buf_addc(g->out, '\n');
	putf(&l, "; function %llx: %llu bytes, %zu block%s, %zu instruction%s", (unsigned long long)fn->address, (unsigned long long)fn->size,
		fn->blocks, fn->blocks == 1 ? "" : "s", fn->instructions, fn->instructions == 1 ? "" : "s");
	if (*digest)
		putf(&l, ", digest %s", digest);
	end_line(g, &l);
	put_callers(g, fn->address);
	put_label(g, &l, fn->address);
	putf(&l, ":");
	end_line(g, &l);
}

static void put_run(struct listing *g, const struct walk_function *fn, const struct walk_run *run)
{
	size_t left;
	const unsigned char *p = view_at(g->w->v, run->address, &left);
	struct insn i;

	if (p && left > run->size)
		left = (size_t)run->size;
	for (uint64_t at = run->address; p && left && walk_decode(g->w, p, left, at, &i); p += i.size, left -= i.size, at += i.size) {
		if (at != fn->address && walk_leads(g->w, at))
			put_jumps(g, at);
		put_instruction(g, p, i.size, at, &i);
	}
}

static void put_function(struct listing *g, const struct walk_function *fn, const char *digest)
{
	uint64_t end = 0;

	put_head(g, fn, digest);
	if (g->w->v->machine == MACHINE_ARM)
		walk_thumb(g->w, fn->thumb);
	for (size_t k = 0; k < fn->runs; k++) {
		const struct walk_run *run = &g->w->run[fn->first_run + k];

		if (k && end != run->address)
			buf_adds(g->out, "  ...\n");
		put_run(g, fn, run);
		end = run->address + run->size;
	}
}

void listing_all(struct walk *w, const struct names *n, const char *digest, size_t most, struct buf *text)
{
	struct listing g = { w, n, text };

	for (size_t k = 0; k < w->functions; k++) {
		put_function(&g, &w->function[k], digest + 17 * k);
		if (text->len > most && k + 1 < w->functions) {
			buf_addf(text, "\n(the listing is cut here at %zu bytes: %zu of %zu functions)\n", text->len, k + 1, w->functions);
			return;
		}
	}
}

void listing_entry(struct walk *w, json_t *entry, struct buf *text)
{
	bool thumb = w->v->machine == MACHINE_ARM && w->v->entry & 1;
	uint64_t at = w->v->entry - thumb;
	const struct walk_region *r = walk_region(w, at);
	struct listing g = { w, NULL, text };
	const uint8_t *p;
	size_t left;

	if (!r || !w->v->has_entry)
		return;
	walk_thumb(w, thumb);
	p = r->p + (at - r->address);
	left = r->n - (size_t)(at - r->address);
	buf_addf(text, "entry point %llx\n", (unsigned long long)at);
	for (size_t i = 0; i < ENTRY && cs_disasm_iter(w->cs, &p, &left, &at, w->cs_insn); i++) {
		const cs_insn *c = w->cs_insn;
		json_t *o = json_object();
		char address[32], line[256];
		struct line l = { .n = 0 };

		snprintf(address, sizeof address, "%llx", (unsigned long long)c->address);
		snprintf(line, sizeof line, "%s%s%s", c->mnemonic, *c->op_str ? " " : "", c->op_str);
		json_object_set_new(o, "address", json_string(address));
		json_object_set_new(o, "text", json_string(line));
		json_array_append_new(entry, o);
		put_bytes(&l, c->address, c->bytes, c->size);
		putf(&l, "%s", line);
		end_line(&g, &l);
		if (flow_of(w->v->machine, c) == FLOW_END)
			break;
	}
}
