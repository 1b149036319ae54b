/*
 * The texts of start-up files and of /proc: the first byte says which parser reads the rest.
 * Nothing crashes, each parser ends, and what it hands on lies within what it was given.
 * rooms: host judge code confine known places base
 */
#include <stdlib.h>
#include <string.h>

#include "host/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *text;
static size_t length;

static void within(const char *p, size_t n)
{
	if (n && (p < text || p + n > text + length))
		abort();
}

static void on_command(void *ctx, const struct shell_command *c)
{
	size_t i, total = 0;

	(void)ctx;
	if (!c->words || !c->line)
		abort();
	for (i = 0; i < c->words; i++)
		total += strlen(c->word[i]);
	if (script_interpreter(c->word[0])) {
		const char *arg;
		enum script_kind k = script_of(c->word, c->words, c->word[0], &arg);

		if ((k == SCRIPT_FILE || k == SCRIPT_INLINE) && !arg)
			abort();
		if (arg)
			total += strlen(arg);
	}
	if (total > 1u << 30)
		abort();
}

static void on_cron(void *ctx, const struct cron_entry *c)
{
	(void)ctx;
	within(c->text, c->length);
	within(c->command, c->command_length);
	within(c->user, c->user_length);
	if (memchr(c->text, '\n', c->length) || !c->line)
		abort();
	shell_commands(c->command, c->command_length, "/root", false, on_command, NULL);
}

static void on_unit(void *ctx, const struct unit_entry *u)
{
	(void)ctx;
	within(u->text, u->length);
	if (strchr(u->key, '\n') || strchr(u->value, '\n'))
		abort();
	shell_commands(u->value, strlen(u->value), NULL, true, on_command, NULL);
}

static void maps(const char *p)
{
	const char *end = p + strlen(p), *before = p;
	struct map m;
	int got;

	while ((got = maps_next(&p, &m))) {
		if (p <= before || p > end)
			abort();
		before = p;
		if (got == 1 && (m.end <= m.start || strlen(m.path) >= sizeof(m.path)))
			abort();
		if (got == 1)
			maps_classify(&m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc proc = { 0 };
	char *copy;

	if (!size)
		return 0;
	length = size - 1;
	copy = malloc(length + 1);
	if (!copy)
		abort();
	memcpy(copy, data + 1, length);
	copy[length] = '\0';
	text = copy;
	switch (data[0] % 8) {
	case 0: crontab_parse(copy, length, CRON_SYSTEM, on_cron, NULL); break;
	case 1: crontab_parse(copy, length, CRON_USER, on_cron, NULL); break;
	case 2: crontab_parse(copy, length, CRON_ANACRON, on_cron, NULL); break;
	case 3: unit_parse(copy, length, on_unit, NULL); break;
	case 4: shell_commands(copy, length, "/home/u", false, on_command, NULL); break;
	case 5: shell_commands(copy, length, NULL, true, on_command, NULL); break;
	case 6: maps(copy); break;
	default: proc_parse_stat(copy, &proc); break;
	}
	free(copy);
	return 0;
}
