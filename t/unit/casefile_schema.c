/* Which names a member may have, and what they are. */
#include "casefile/casefile.h"
#include "unit.h"

#include <stdlib.h>

#define SHA "24647213fc922d96bb89ec9c246664b85bdda55ed01b6ea9b5dda0a2db40c3c4"

static const struct { const char *path; int kind; const char *name; } good[] = {
	{ "case.json", MEMBER_CASE, "case.json" }, { "MANIFEST", MEMBER_MANIFEST, "MANIFEST" },
	{ "MANIFEST.sig", MEMBER_SIGNATURE, "MANIFEST.sig" }, { "MANIFEST.sig2", MEMBER_OTHER, "MANIFEST.sig2" },
	{ "remedy/plan.json", MEMBER_OTHER, "remedy/plan.json" }, { "x", MEMBER_OTHER, "x" }, { "codex", MEMBER_OTHER, "codex" },
	{ "a/..b/...", MEMBER_OTHER, "a/..b/..." }, { "a/case.json/x", MEMBER_OTHER, "a/case.json/x" },
	{ "code/" SHA "/about.json", MEMBER_ABOUT, "about.json" }, { "code/" SHA "/body", MEMBER_BODY, "body" },
	{ "code/" SHA "/body.cms", MEMBER_BODY_CMS, "body.cms" }, { "code/" SHA "/bodyx", MEMBER_CODE, "bodyx" },
	{ "code/" SHA "/memory/0-1", MEMBER_MEMORY, "memory/0-1" },
	{ "code/" SHA "/memory/7ffffffff000-ffffffffffffffff", MEMBER_MEMORY, "memory/7ffffffff000-ffffffffffffffff" },
	{ "code/" SHA "/memory/0-1.cms", MEMBER_CODE, "memory/0-1.cms" },
	{ "code/" SHA "/memory-dynamic/1", MEMBER_CODE, "memory-dynamic/1" },
	{ "code/" SHA "/dropped/" SHA, MEMBER_CODE, "dropped/" SHA }, { "code/" SHA "/a/b/c", MEMBER_CODE, "a/b/c" },
};
static const char *const bad[] = {
	"", "/", "/x", "x/", "x//y", ".", "..", "./x", "x/.", "x/..", "x/../y", "a b", "a\tb", "a\nb", "a\033b", "a\x7f" "b", "\xc3\xa9",
	"code", "code/", "code/x", "code/x/body", "code/" SHA, "code/" SHA "/", "code/" SHA "x/body", "code/" SHA "/body/x",
	"code/" SHA "/about.json/x", "code/" SHA "/body.cms/x", "code/" SHA "/memory", "code/" SHA "/memory/", "code/" SHA "/memory/x",
	"code/" SHA "/memory/1-1", "code/" SHA "/memory/2-1", "code/" SHA "/memory/-1", "code/" SHA "/memory/1-", "code/" SHA "/memory/A-F",
	"code/" SHA "/memory/0x1-2", "code/" SHA "/memory/1-2/3", "code/" SHA "/memory/1-2-3", "code/" SHA "/memory/0-11111111111111111",
	"code/24647213FC922d96bb89ec9c246664b85bdda55ed01b6ea9b5dda0a2db40c3c4/body", "case.json/x", "MANIFEST/x", "MANIFEST.sig/x",
};

int main(void)
{
	struct err e = { 0 };
	struct member m;
	char longest[CAP_PATH + 2];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!OK(schema_classify(good[i].path, &m, &e) == 0 && (int)m.kind == good[i].kind && !strcmp(m.name, good[i].name) &&
			      !strcmp(m.code, strncmp(good[i].path, "code/", 5) ? "" : SHA), good[i].path))
			printf("# kind %d, name %s, code %s\n", m.kind, m.name, m.code);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err_clear(&e);
		OK(schema_classify(bad[i], &m, &e) == -1 && e.code == EX_DATAERR && strstr(e.msg, err_q(bad[i])), err_q(bad[i]));
	}
	memset(longest, 'x', sizeof longest);
	longest[CAP_PATH] = '\0';
	OK(schema_classify(longest, &m, &e) == 0, "the longest name");
	longest[CAP_PATH] = 'x';
	longest[CAP_PATH + 1] = '\0';
	OK(schema_classify(longest, &m, &e) == -1, "one byte more");
	return unit_end();
}
